// A dashboard file of ours by Grafana's own schema. That schema leaves open what a panel's options, its series'
// settings and its overrides are; here each kind of panel has the types that Grafana's own plugin of that kind has.
import type { AnnotationQuery, Dashboard, DataQuery, DataSourceRef, VariableModel } from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as stateTimeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeSeries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as raw from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";

// JSON has the texts of an enumeration, not its members.
type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends ReadonlyArray<infer Item>
      ? Array<Plain<Item>>
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

type Require<T, Keys extends keyof T> = Omit<T, Keys> & Required<Pick<T, Keys>>;

// The query of the Prometheus plugin, which the schema package does not carry; from its documentation.
interface PrometheusQuery extends DataQuery {
  datasource: Required<Pick<DataSourceRef, "type" | "uid">>;
  expr: string;
  legendFormat?: string;
  range: boolean;
  instant: boolean;
  format: "time_series" | "table" | "heatmap";
  interval?: string;
  editorMode: "code" | "builder";
}

// Grafana shows a unit that it does not know behind the number, so that a wrong one is not noticed.
type Unit = "none" | "short" | "s" | "bytes" | "percentunit" | "reqps" | "cps" | "dtdurations" | `suffix:${string}`;
type Setting = Omit<raw.FieldConfig, "custom" | "unit"> & { unit?: Unit };
type Property<Custom> =
  | { [Key in keyof Setting]-?: { id: Key; value: Setting[Key] } }[keyof Setting]
  | { [Key in keyof Custom]-?: { id: `custom.${Key & string}`; value: Custom[Key] } }[keyof Custom];
type Matcher = { id: "byName" | "byRegexp" | "byFrameRefID" | "byType"; options: string };

interface Organize {
  id: "organize";
  options: {
    excludeByName: Record<string, boolean>;
    indexByName: Record<string, number>;
    renameByName: Record<string, string>;
  };
}

type PanelOf<Kind extends string, Options, Custom> = Omit<
  Require<raw.Panel, "id" | "title" | "description" | "gridPos" | "datasource" | "links">,
  "type" | "options" | "fieldConfig" | "targets" | "transformations"
> & {
  type: Kind;
  options: Options;
  targets: PrometheusQuery[];
  transformations?: Organize[];
  fieldConfig: {
    defaults: Setting & { custom?: Custom };
    overrides: Array<{ matcher: Matcher; properties: Array<Property<Custom>> }>;
  };
};

type OurPanel =
  | PanelOf<"stat", stat.Options, Record<string, never>>
  | PanelOf<"timeseries", timeSeries.Options, timeSeries.FieldConfig>
  | PanelOf<"state-timeline", stateTimeline.Options, stateTimeline.FieldConfig>
  | PanelOf<"table", table.Options, table.FieldConfig>
  | (Omit<raw.RowPanel, "panels"> & { panels: [] });

type OurAnnotation = Omit<AnnotationQuery, "target"> & {
  target: PrometheusQuery;
  titleFormat: string;
  textFormat: string;
  useValueForTime: boolean;
};

// A query of the variable editor: 1 is label_values, 3 is query_result. Grafana keeps its text as the definition too.
type OurVariable = Omit<VariableModel, "query"> &
  (
    | { type: "datasource" | "textbox"; query: string }
    | { type: "query"; query: { qryType: 1 | 3; query: string; refId: string }; definition: string }
  );

export type OurDashboard = Plain<
  Omit<Require<Dashboard, "uid" | "title" | "description" | "time" | "refresh">, "panels" | "annotations" | "templating"> & {
    panels: OurPanel[];
    annotations: { list: OurAnnotation[] };
    templating: { list: OurVariable[] };
  }
>;

// And it is one by the schema as it stands.
export type ByTheSchema = Plain<Dashboard>;
