import subprocess

from tests.service import Service, wait_until


def test_promtool_accepts_the_metrics_of_a_live_service() -> None:
    with Service("serve", "--devnet") as service:
        wait_until(service.quote, "a quote")
        routes = service.get("/openapi.json").json()["paths"]
        exposition = service.get("/metrics").text
    checked = subprocess.run(
        ["promtool", "check", "metrics", "--extended"], input=exposition, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "taiko_fee_oracle_recommended_fee_gwei" in checked.stdout
    for route in routes:
        assert f'taiko_fee_oracle_http_requests_total{{code="500",route="{route}"}} 0.0\n' in exposition
