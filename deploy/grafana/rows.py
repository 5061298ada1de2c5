"""What the dashboard shows, row by row."""

from typing import Final

from deploy.grafana.panels import (
    BAD,
    BLUE,
    GOOD,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SIDES,
    band,
    fixed,
    limit,
    lines,
    now,
    now_as_table,
    over_time,
    override,
    stat,
    state,
    states,
    table,
    texts,
)
from deploy.grafana.queries import (
    AGE,
    COST_1H,
    DEFICIT_RATIO,
    FAILED_CALLS,
    FEE,
    ONE,
    OUR_ALERTS,
    RECOVERY_1H,
    REVENUE_1H,
    UNDERFUNDED_24H,
    all_replicas,
    any_replica,
    at_head,
    every_replica,
    increase,
    quantile,
    rate,
    series,
    side,
    threshold,
)

GWEI: Final = "suffix:gwei"
ETHER: Final = "suffix:ETH"
BLOCKS: Final = "suffix:blocks"
WIDE_RANGE: Final = {"type": "symlog", "log": 10, "linearThreshold": 0.1}
"""L1 is at 0.05 gwei on one day and at 100 on another, and the highest fee allowed is 1,000."""


NOW: Final = (
    stat(
        "Recommended fee",
        "What sequencers are told to charge now for one L2 gas, and whether the FeeOutOfRange thresholds allow it. "
        "`high by parameters`: at this L1 price the parameters alone put it there, and the alert leaves that side "
        "out. `no quote`: nothing is served; see QuoteStale.",
        now(FEE, "fee"),
        now(side(FEE, "FeeOutOfRange", satisfiable=True), "range"),
        width=4,
        unit=GWEI,
        overrides=[state("range", SIDES)],
        alerts=["FeeOutOfRange", "QuoteStale"],
    ),
    stat(
        "Quote age",
        "Age of the L1 head that the newest replica quotes for, by the head's own timestamp. Ethereum has a block "
        "every 12 s. Past the QuoteStale threshold the quote calls itself stale and clients add a margin: look at the "
        "providers below.",
        now(AGE, "age"),
        now(side(f"({AGE})", "QuoteStale", has_min=False), "freshness"),
        width=3,
        unit="s",
        overrides=[state("freshness", texts({0: ("fresh", GREEN), 1: ("stale", RED)}))],
        alerts=["QuoteStale", "FeedFrozen"],
    ),
    stat(
        "L1 base fee",
        "Base fee of the L1 head, and of the block after it, which follows from the head. Everything else on this "
        "page depends on it: compare it with an independent source when the fee surprises.",
        now(at_head(series("l1_basefee_gwei")), "head"),
        now(at_head(series("l1_next_basefee_gwei")), "next"),
        width=3,
        unit=GWEI,
        alerts=["HeadersRejected"],
    ),
    stat(
        "Cost recovery, 1 h",
        "Modelled revenue of the last hour over its modelled L1 cost, a ratio of sums: 1 breaks even. Judged by the "
        "CostRecoveryDrift thresholds. `high by parameters`: with the base fee in force a perfect controller is above "
        "the threshold at this L1 price.",
        now(RECOVERY_1H, "recovery"),
        now(side(f"({RECOVERY_1H})", "CostRecoveryDrift", satisfiable=True), "range"),
        width=4,
        no_value="no priced block",
        overrides=[override("recovery", decimals=2), state("range", SIDES)],
        alerts=["CostRecoveryDrift", "CostRecoveryLoss"],
    ),
    stat(
        "Fee vault",
        "Balance of the fee vault, the share of its target that is missing (negative: a surplus), and whether the "
        "VaultDeficit threshold allows it. `no vault` is a setting, not a balance of 0; `unknown` means that the "
        "balance was never read, or that the target is 0.",
        now(at_head(series("vault_balance_ether")), "balance"),
        now(DEFICIT_RATIO, "deficit"),
        now(
            f"{side(DEFICIT_RATIO, 'VaultDeficit', has_min=False)} or ({any_replica(series('vault_configured'))} - 2)",
            "vault",
        ),
        width=4,
        unit=ETHER,
        no_value="no service",
        overrides=[
            override("deficit", unit="percentunit", decimals=1),
            state(
                "vault",
                texts({-2: ("no vault", GREY), -1: ("unknown", ORANGE), 0: ("funded", GREEN), 1: ("deficit", RED)}),
            ),
        ],
        alerts=["VaultDeficit", "VaultUnderfunded", "VaultUnreadable"],
    ),
    stat(
        "Firing alerts",
        "Alerts of this service that fire now, by severity. Critical ones page: open their runbook from the table "
        "below. `rules not loaded`: the Watchdog does not fire, so nothing would.",
        *(
            now(
                f'count(ALERTS{{{OUR_ALERTS}, alertstate="firing", severity="{severity}"}})'
                ' or 0 * count(ALERTS{alertname="TaikoFeeOracleWatchdog", alertstate="firing"})',
                severity,
            )
            for severity in ("critical", "warning", "info")
        ),
        width=3,
        no_value="rules not loaded",
        overrides=[
            override(
                severity,
                thresholds={
                    "mode": "absolute",
                    "steps": [{"color": GREEN, "value": None}, {"color": color, "value": 1}],
                },
            )
            for severity, color in (("critical", RED), ("warning", ORANGE), ("info", BLUE))
        ],
    ),
    stat(
        "Network",
        "The network that is priced. `devnet` is the embedded chain for people without a node: nothing on this page "
        "is about real money then. Two networks here mean that the replicas do not belong together.",
        now(any_replica(series("network_info")), "{{network}} (L1 {{l1_chain_id}}, L2 {{l2_chain_id}})"),
        width=3,
        text_mode="name",
        color_mode="background",
        defaults={"color": fixed(BLUE)},
        overrides=[
            {
                "matcher": {"id": "byRegexp", "options": "/^devnet/"},
                "properties": [{"id": "color", "value": fixed(PURPLE)}],
            }
        ],
    ),
)

ALERTS: Final = (
    table(
        "Alerts, pending and firing",
        "Every alert of this service that is not quiet; the name links to its runbook. `pending`: the condition "
        "holds, and not yet for as long as the rule asks. ThresholdsUnsatisfiable names in `watched` whose upper side "
        "cannot be judged.",
        now_as_table(f"max by (alertname, severity, alertstate, watched, provider, reason) (ALERTS{{{OUR_ALERTS}}})"),
        ("alertname", "alert"),
        ("severity", "severity"),
        ("alertstate", "state"),
        ("watched", "watched"),
        ("provider", "provider"),
        ("reason", "reason"),
        width=12,
        no_value="no alert",
        hidden=("Time", "Value"),
        overrides=[
            override(
                "alert",
                links=[{"title": "Runbook", "url": "${runbooks}/${__value.text}.md", "targetBlank": True}],
            ),
            override(
                "severity",
                mappings=[
                    {
                        "type": "value",
                        "options": {
                            "critical": {"color": RED, "index": 0},
                            "warning": {"color": ORANGE, "index": 1},
                            "info": {"color": BLUE, "index": 2},
                        },
                    }
                ],
                custom__cellOptions={"type": "color-text"},
            ),
        ],
    ),
    states(
        "Alerts that fired",
        "When each alert fired in this range. One that comes and goes points at a threshold that sits on the usual "
        "value, or at a provider that comes and goes.",
        over_time(f'max by (alertname) (ALERTS{{{OUR_ALERTS}, alertstate="firing"}})', "{{alertname}}"),
        mappings=texts({1: ("firing", RED)}),
        no_value="no alert fired",
    ),
)

FEE_ROW: Final = (
    lines(
        "Fee against L1",
        "The recommended fee, the fee for the next block, and L1's base fee. The shaded band is what the "
        "FeeOutOfRange thresholds allow. The fee follows L1 in proportion above the base fee; where it does not, a "
        "bound, a rate limit or the vault's deficit shapes it: see the panels below. Vertical lines are changes of "
        "the parameters.",
        over_time(FEE, "fee"),
        over_time(at_head(series("next_fee_gwei")), "fee of the next block"),
        over_time(at_head(series("l1_basefee_gwei")), "L1 base fee"),
        over_time(threshold("FeeOutOfRange", "min"), "alert below"),
        over_time(threshold("FeeOutOfRange", "max"), "alert above"),
        width=24,
        unit=GWEI,
        no_value="no quote",
        custom={"scaleDistribution": WIDE_RANGE},
        overrides=[
            override("fee", color=fixed(BLUE), custom__lineWidth=2),
            override("fee of the next block", color=fixed("light-blue")),
            override("L1 base fee", color=fixed(ORANGE)),
            *band("alert below", "alert above"),
        ],
        alerts=["FeeOutOfRange"],
    ),
    lines(
        "Components of the fee",
        "What the fee is made of, stacked: data availability and proof follow L1, the deficit heals the vault, the "
        "base fee is constant, the adjustment is what bounds, rate limit and rounding add or take. They sum to the "
        "fee; a negative one is below zero.",
        over_time(at_head(series("fee_component_gwei"), "component"), "{{component}}"),
        over_time(FEE, "fee"),
        unit=GWEI,
        no_value="no quote",
        stacked=True,
        overrides=[
            override(
                "fee",
                color=fixed(GREY),
                custom__stacking={"mode": "none", "group": "A"},
                custom__fillOpacity=0,
                custom__lineWidth=2,
            ),
        ],
        alerts=["FeeOutOfRange", "AtBound"],
    ),
    lines(
        "Raw fee and bounds",
        "The fee before and after the bounds and the rate limit, and the two bounds. Where the lines part, the fee "
        "does not recover what the formula asks for. If that lasts, the bounds do not fit the L1 price any more.",
        over_time(at_head(series("raw_fee_gwei")), "raw fee"),
        over_time(FEE, "fee"),
        over_time(any_replica(series("parameter", 'name="minFeeGwei"')), "least fee"),
        over_time(any_replica(series("parameter", 'name="maxFeeGwei"')), "greatest fee"),
        unit=GWEI,
        no_value="no quote",
        custom={"scaleDistribution": WIDE_RANGE},
        overrides=[
            override("raw fee", color=fixed(PURPLE)),
            override("fee", color=fixed(BLUE), custom__lineWidth=2),
            limit("least fee", ORANGE),
            limit("greatest fee", ORANGE),
        ],
        alerts=["AtBound"],
    ),
    lines(
        "Quotes by bound",
        "Share of the quotes that each bound shaped last; `none` is as it should be. AtBound fires where nearly all "
        "of a quarter of an hour were at a bound or at the rate limit.",
        over_time(
            f"{all_replicas(increase(series('quotes_total')))} / ignoring (bound) group_left"
            f" sum without (instance, pod, bound) ({increase(series('quotes_total'))})",
            "{{bound}}",
        ),
        unit="percentunit",
        width=8,
        no_value="no new quote",
        stacked=True,
        defaults={"min": 0, "max": 1},
        alerts=["AtBound"],
    ),
    states(
        "Thresholds that can be kept",
        "Whether the parameters alone keep each alert's upper threshold at this L1 price. At `no` the alert leaves "
        "that side out, since above it nothing is wrong that an operator could mend now: with the default base fee "
        "recovery is above 1.3 whenever L1 is below 11.3 gwei. Widen the threshold, or lower the base fee.",
        over_time(every_replica(series("alert_satisfiable")), "{{alert}}"),
        mappings=texts({0: ("no", BLUE), 1: ("yes", GREEN)}),
        width=8,
        no_value="no quote",
        alerts=["ThresholdsUnsatisfiable"],
    ),
    states(
        "Parameters from the API",
        "Whether a parameter in force was set through the API over the environment's. It stays until it is dropped "
        "(DELETE /v1/parameters) or the environment changes. Write it into the settings, or drop it.",
        over_time(any_replica(series("parameter_override_active")), "override"),
        over_time(any_replica(series("parameters_info")), "{{controller}}, {{preset}}, {{parameters_id}}"),
        mappings=texts({0: ("none", GREEN), 1: ("in force", BLUE)}),
        width=8,
        alerts=["OverrideActive"],
    ),
    table(
        "Parameters in force",
        "The numeric fee parameters by their API names; an unset rate limit has no row. Two rows of one name mean "
        "that the replicas differ: compare their settings.",
        now_as_table(f'count_values without (instance, pod) ("value", {series("parameter")})'),
        ("name", "parameter"),
        ("value", "value"),
        ("Value", "replicas"),
        width=24,
        no_value="no service",
        hidden=("Time", "job"),
    ),
)

RECOVERY: Final = (
    lines(
        "Cost recovery",
        "Modelled revenue over modelled L1 cost, over 1 h as a ratio of sums, and of a batch at the head alone. "
        "Shaded: what CostRecoveryDrift allows. Below the red line CostRecoveryLoss pages: the oracle sells L2 gas "
        "for less than L1 costs; look for a bound or a rate limit that holds the fee down. The dotted pair is the "
        "range that the deployment instructions call healthy.",
        over_time(RECOVERY_1H, "recovery over 1 h"),
        over_time(at_head(series("cost_recovery_ratio")), "at the head"),
        over_time(threshold("CostRecoveryDrift", "min"), "drift below"),
        over_time(threshold("CostRecoveryDrift", "max"), "drift above"),
        over_time(threshold("CostRecoveryLoss", "min"), "loss below"),
        over_time(threshold("CostRecoveryValidation", "min"), "healthy from"),
        over_time(threshold("CostRecoveryValidation", "max"), "healthy up to"),
        unit="none",
        no_value="no quote",
        overrides=[
            override("recovery over 1 h", color=fixed(BLUE), custom__lineWidth=2),
            override("at the head", color=fixed("light-blue")),
            *band("drift below", "drift above"),
            limit("loss below", RED),
            limit("healthy from", GREY),
            limit("healthy up to", GREY),
        ],
        alerts=["CostRecoveryDrift", "CostRecoveryLoss"],
    ),
    lines(
        "Revenue and L1 cost, 1 h",
        "Numerator and denominator of the recovery: what the model says that the batches of the last hour earned and "
        "cost. Replicas price the same blocks, so the greatest of them is shown, never their sum. Both flat: no block "
        "is priced.",
        over_time(REVENUE_1H, "revenue"),
        over_time(COST_1H, "L1 cost"),
        unit=ETHER,
        no_value="no quote",
        overrides=[override("revenue", color=fixed(GREEN)), override("L1 cost", color=fixed(ORANGE))],
        alerts=["CostRecoveryDrift", "CostRecoveryLoss"],
    ),
)

VAULT: Final = (
    lines(
        "Vault balance and target",
        "Last known balance of the fee vault and what it should hold. A balance that stands still for long while "
        "blocks go on is one that is not read or not pushed.",
        over_time(at_head(series("vault_balance_ether")), "balance"),
        over_time(at_head(series("vault_target_ether")), "target"),
        unit=ETHER,
        no_value="no vault",
        overrides=[override("balance", color=fixed(BLUE), custom__lineWidth=2), limit("target", GREEN)],
        alerts=["VaultDeficit"],
    ),
    lines(
        "Vault deficit",
        "Target minus balance, in ether and as a share of the target; negative is a surplus. Above the red line "
        "VaultDeficit pages. A deficit raises the fee until it is healed; one that grows all the same means that the "
        "fee is held down, or that money leaves the vault on another way.",
        over_time(at_head(series("vault_deficit_ether")), "deficit"),
        over_time(DEFICIT_RATIO, "share of the target"),
        over_time(threshold("VaultDeficit", "max"), "alert above"),
        unit=ETHER,
        no_value="no vault",
        overrides=[
            override("deficit", color=fixed(ORANGE)),
            override("share of the target", unit="percentunit", custom__axisPlacement="right", color=fixed(BLUE)),
            limit("alert above", RED, unit="percentunit", custom__axisPlacement="right"),
        ],
        alerts=["VaultDeficit"],
    ),
    lines(
        "Time underfunded, 24 h",
        "Share of the last 24 h in which the deficit was above the VaultDeficit threshold. Above the line "
        "VaultUnderfunded says that the vault is short too often, even if it recovers each time: the horizon or the "
        "deficit weight does not fit.",
        over_time(UNDERFUNDED_24H, "underfunded"),
        over_time(threshold("VaultUnderfunded", "max"), "alert above"),
        unit="percentunit",
        no_value="no vault",
        overrides=[limit("alert above", RED)],
        alerts=["VaultUnderfunded"],
    ),
    states(
        "Vault readings",
        "Whether a vault is configured, and whether its balance cannot be read now on any replica. While it cannot, "
        "the last known balance is held, and the alerts above judge that one.",
        over_time(any_replica(series("vault_configured")), "configured"),
        over_time(every_replica(series("vault_unreadable")), "unreadable on every replica"),
        over_time(any_replica(series("vault_unreadable")), "unreadable on a replica"),
        mappings=texts({0: ("no", GREEN), 1: ("yes", ORANGE)}),
        width=6,
        overrides=[override("configured", mappings=texts({0: ("no", GREY), 1: ("yes", GREEN)}))],
        alerts=["VaultUnreadable"],
    ),
    lines(
        "Vault reports",
        "Balances that were pushed (PUT /v1/vault) and stored. With a pushed vault, none for longer than its greatest "
        "age makes it unreadable: look at who pushes.",
        over_time(any_replica(increase(series("vault_reports_total"))), "reports"),
        width=6,
        no_value="no vault",
        bars=True,
        alerts=["VaultUnreadable"],
    ),
)

PROVIDERS: Final = (
    states(
        "Providers that answer",
        "Whether each provider answers with what can be used, on every replica. With one of several down the quotes "
        "go on; with all down they are stale after the QuoteStale threshold. Every one down at once: look at this "
        "network first.",
        over_time(every_replica(series("provider_up")), "{{provider}}"),
        mappings=GOOD,
        width=8,
        no_value="no provider was asked",
        alerts=["ProviderDown"],
    ),
    states(
        "Dissent",
        "Whether a provider gives another header than the others at the same height. For a slot or two around a reorg "
        "it is normal; what lasts is a fork, a fault or a lie. Take the provider out.",
        over_time(any_replica(series("provider_dissenting")), "{{provider}}"),
        mappings=BAD,
        width=8,
        no_value="no provider was asked",
        alerts=["ProviderDissent"],
    ),
    states(
        "Open breakers",
        "Whether a provider failed so often that it is left alone for a while, and tried now and then.",
        over_time(any_replica(series("provider_breaker_open")), "{{provider}}"),
        mappings=BAD,
        width=8,
        no_value="no provider was asked",
        alerts=["ProviderDown"],
    ),
    lines(
        "Head lag",
        "How many blocks each provider's head is behind the highest that any gave. 1 for a moment is usual; a lag "
        "that lasts is a node out of sync, and one that grows a node that stands.",
        over_time(
            f"{any_replica(series('provider_head_block'))} * -1 + ignoring (provider) group_left"
            f" max without (instance, pod, provider) ({series('provider_head_block')})",
            "{{provider}}",
        ),
        unit=BLOCKS,
        width=8,
        no_value="no head yet",
        defaults={"min": 0},
        alerts=["ProviderDown", "FeedFrozen"],
    ),
    states(
        "Pushed heads",
        "Whether a WebSocket provider pushes its heads to every replica. Without, the polls go on, and the fee is "
        "late by a poll interval at the most.",
        over_time(every_replica(series("provider_subscribed")), "{{provider}}"),
        mappings=texts({0: ("polled", ORANGE), 1: ("pushed", GREEN)}),
        width=8,
        no_value="no provider can push",
        alerts=["ProviderDown"],
    ),
    lines(
        "Dissents and lost subscriptions",
        "How often a provider began to dissent, and how often its subscription ended, by reason. The log names block "
        "and field of each dissent.",
        over_time(all_replicas(increase(series("provider_dissents_total"))), "dissent of {{provider}}"),
        over_time(all_replicas(increase(series("provider_subscription_losses_total"))), "{{provider}}: {{reason}}"),
        width=8,
        bars=True,
        alerts=["ProviderDissent"],
    ),
    lines(
        "RPC calls",
        "Calls a second to each provider, by method, over all replicas: what a provider that bills by call charges.",
        over_time(f"sum by (provider, method) ({rate(series('rpc_requests_total'))})", "{{provider}} {{method}}"),
        unit="reqps",
        width=8,
        alerts=["ProviderDown"],
    ),
    lines(
        "RPC errors",
        "Failed calls a second, by result. `http_status` with 429 is a spent quota; `timeout` a slow or distant node; "
        "`missing_state` a node without the history that the vault's balance needs.",
        over_time(
            f"sum by (provider, result) ({rate(FAILED_CALLS)})",
            "{{provider}} {{result}}",
        ),
        unit="reqps",
        width=8,
        alerts=["ProviderDown", "VaultUnreadable"],
    ),
    lines(
        "RPC latency, p95",
        "The duration that 95 of 100 calls keep, failed ones too. Near TAIKO_RPC_TIMEOUT_SECONDS calls are cut off.",
        over_time(quantile(0.95, "rpc_request_duration_seconds", "provider"), "{{provider}}"),
        unit="s",
        width=8,
        alerts=["ProviderDown"],
    ),
    lines(
        "Polls without a head",
        "Polls a second that got no usable L1 head, by what was wrong first. Some while a provider changes are no "
        "harm; a steady rate means that quotes are about to be stale.",
        over_time(all_replicas(rate(series("poll_failures_total"))), "{{reason}}"),
        unit="cps",
        width=8,
        alerts=["QuoteStale"],
    ),
    lines(
        "L1 anomalies",
        "Headers that contradict their parents, reorgs that were followed, heads that went back, stood still or "
        "claimed the future. Rejected headers mean a broken or lying node, or a change of L1's rules: read the "
        "runbook at once.",
        over_time(all_replicas(increase(series("header_rejections_total"))), "rejected: {{reason}}"),
        over_time(all_replicas(increase(series("l1_reorgs_total"))), "reorg"),
        over_time(all_replicas(increase(series("l1_head_anomalies_total"))), "head: {{kind}}"),
        width=8,
        bars=True,
        alerts=["HeadersRejected"],
    ),
    states(
        "L1 stands",
        "Whether polls succeed and the head is stale all the same, on every replica and on any. On every: the chain "
        "stands, or all providers follow one node that does.",
        over_time(every_replica(series("l1_head_standing")), "on every replica"),
        over_time(any_replica(series("l1_head_standing")), "on a replica"),
        mappings=BAD,
        width=8,
        alerts=["FeedFrozen"],
    ),
)

API: Final = (
    lines(
        "Requests",
        "Requests a second, by route, over all replicas. `unmatched` are paths that are no route. No traffic where "
        "sequencers should read: they fall back to what they know, ask them.",
        over_time(f"sum by (route) ({rate(series('http_requests_total'))})", "{{route}}"),
        unit="reqps",
        width=8,
        alerts=["Down"],
    ),
    lines(
        "Answers by code",
        "Requests a second, by status. 503 of /v1/fee: there is no quote that may be served. 401 of a change: a wrong "
        "token. 500: a fault of this program, its log has the trace.",
        over_time(f"sum by (code) ({rate(series('http_requests_total'))})", "{{code}}"),
        unit="reqps",
        width=8,
        stacked=True,
        alerts=["QuoteStale"],
    ),
    lines(
        "Latency, p95",
        "The duration that 95 of 100 answers keep, by route; of a stream, until it starts. /v1/fee is answered from "
        "memory: more than a few milliseconds is a starved process.",
        over_time(quantile(0.95, "http_request_duration_seconds", "route"), "{{route}}"),
        unit="s",
        width=8,
        alerts=["Down"],
    ),
    lines(
        "Stream readers",
        "Connected readers of /v1/fee/stream on each replica. At TAIKO_STREAM_CLIENTS_MAX a further one gets 503.",
        over_time(series("stream_clients"), "{{instance}}"),
        width=12,
        steps=True,
        defaults={"min": 0},
        alerts=["Down"],
    ),
    lines(
        "Connections cut",
        "Connections a second that were refused or cut, by the bound that they broke; docs/limits.md has the bounds. "
        "A rate that comes with a new client is that client's fault.",
        over_time(all_replicas(rate(series("http_connections_cut_total"))), "{{reason}}"),
        unit="cps",
        width=12,
    ),
)

JOURNAL: Final = (
    states(
        "Journal degraded",
        "Whether the store fails and quotes are served that are not in it yet. They wait in memory: do not restart "
        "this replica before the store is back.",
        over_time(series("journal_degraded"), "{{instance}}"),
        mappings=BAD,
        width=8,
        alerts=["JournalDegraded"],
    ),
    lines(
        "Spooled entries",
        "Entries that wait in memory for the store, on each replica. It grows by one for each block while the store "
        "fails; when the spool is full entries are lost.",
        over_time(series("journal_spooled_entries"), "{{instance}}"),
        width=8,
        defaults={"min": 0},
        alerts=["JournalDegraded"],
    ),
    lines(
        "Journal faults",
        "What the store failed with, entries lost, entries that another instance had journaled first, and entries "
        "found at the start that do not hold. Lost or discarded ones are gaps in the proof: run `verify`.",
        over_time(increase(series("journal_failures_total")), "{{instance}}: {{fault}}"),
        over_time(increase(series("journal_lost_entries_total")), "{{instance}}: lost"),
        over_time(increase(series("journal_divergences_total")), "{{instance}}: diverged"),
        over_time(increase(series("restored_entries_discarded_total")), "{{instance}}: discarded at start"),
        width=8,
        bars=True,
        alerts=["JournalDegraded"],
    ),
    lines(
        "Quotes decided elsewhere",
        "Quotes of each replica that another one had made first with another result, and quotes that were served "
        "against an entry that does not hold. The first moves around a change of parameters; a steady rise means that "
        "the replicas do not see the same. The second is never normal: run `verify`.",
        over_time(increase(series("quotes_decided_elsewhere_total")), "{{instance}}: decided elsewhere"),
        over_time(increase(series("quotes_contested_total")), "{{instance}}: contested"),
        width=8,
        bars=True,
        alerts=["JournalDegraded"],
    ),
    lines(
        "Clock offset",
        "How far each host's clock is ahead of what L1 says; negative is behind. Past the line quotes look older or "
        "fresher than they are: mend the host's time synchronisation.",
        over_time(series("clock_offset_seconds"), "{{instance}}"),
        over_time(threshold("ClockSkew", "max"), "alert above"),
        over_time(f"-{threshold('ClockSkew', 'max')}", "alert below"),
        unit="s",
        width=8,
        no_value="not measured yet",
        overrides=[limit("alert above"), limit("alert below")],
        alerts=["ClockSkew"],
    ),
    lines(
        "Ages",
        "Time since the head of each replica's quote, since its last new quote, and since its last poll that got a "
        "head. Polls that go on under a head that ages: the feed stands. All three rise: the providers are "
        "unreachable.",
        over_time(f"time() - {series('l1_block_timestamp_seconds')}", "{{instance}}: head"),
        over_time(f"time() - {series('last_quote_timestamp_seconds')}", "{{instance}}: quote"),
        over_time(f"time() - {series('last_observation_timestamp_seconds')}", "{{instance}}: poll"),
        unit="s",
        width=8,
        no_value="no quote",
        alerts=["QuoteStale", "FeedFrozen"],
    ),
)

PROCESS: Final = (
    states(
        "Replicas",
        "Whether each replica answers its scrape. None: Down pages, and sequencers have no oracle.",
        over_time('up{job="$job"}', "{{instance}}"),
        mappings=texts({0: ("down", RED), 1: ("up", GREEN)}),
        width=8,
        no_value="no target",
        alerts=["Down"],
    ),
    lines(
        "CPU",
        "Cores that each replica uses. The service needs a few hundredths at rest; one core is the most it can use.",
        over_time(f"rate(process_cpu_seconds_total{{{ONE}}}[$__rate_interval])", "{{instance}}"),
        unit="suffix:cores",
        width=8,
        defaults={"min": 0},
    ),
    lines(
        "Memory",
        "Resident memory of each replica. It grows in the first hour and then stands; compare it with the limit of "
        "its container.",
        over_time(f"process_resident_memory_bytes{{{ONE}}}", "{{instance}}"),
        unit="bytes",
        width=8,
        defaults={"min": 0},
    ),
    lines(
        "File descriptors",
        "Open files and sockets of each replica, as a share of what it may open. Near 1 new connections are refused.",
        over_time(f"process_open_fds{{{ONE}}} / process_max_fds{{{ONE}}}", "{{instance}}"),
        unit="percentunit",
        width=8,
        defaults={"min": 0},
    ),
    stat(
        "Up since",
        "How long ago each replica started, and how often it was started anew in this range. A restart that nobody "
        "ordered: read the end of the log before it.",
        now(f"time() - process_start_time_seconds{{{ONE}}}", "{{instance}}"),
        now(f"changes(process_start_time_seconds{{{ONE}}}[$__range])", "{{instance}} restarts"),
        width=8,
        unit="dtdurations",
        no_value="no service",
        overrides=[
            {
                "matcher": {"id": "byFrameRefID", "options": "B"},
                "properties": [{"id": "unit", "value": "none"}],
            }
        ],
        alerts=["Down"],
    ),
    table(
        "Build",
        "Version and Python of each replica. Two versions are a rollout under way, or one that stuck.",
        now_as_table(f"max by (instance, version, python) ({series('build_info')})"),
        ("instance", "instance"),
        ("version", "version"),
        ("python", "Python"),
        width=8,
        no_value="no service",
        hidden=("Time", "Value"),
    ),
)

ROWS: Final = (
    ("Now", ((5, NOW),)),
    ("Alerts", ((7, ALERTS),)),
    ("Fee", ((10, FEE_ROW[:1]), (9, FEE_ROW[1:3]), (8, FEE_ROW[3:6]), (8, FEE_ROW[6:]))),
    ("Cost recovery", ((9, RECOVERY),)),
    ("Fee vault", ((8, VAULT[:2]), (7, VAULT[2:]))),
    ("L1 providers", ((6, PROVIDERS[:3]), (7, PROVIDERS[3:6]), (7, PROVIDERS[6:9]), (7, PROVIDERS[9:]))),
    ("API", ((8, API[:3]), (7, API[3:]))),
    ("Journal and clock", ((7, JOURNAL[:3]), (7, JOURNAL[3:]))),
    ("Process", ((7, PROCESS[:3]), (7, PROCESS[3:]))),
)
