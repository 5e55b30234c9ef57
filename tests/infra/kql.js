// node kql.js FILE.json: what Microsoft's KQL language service finds in queries, [{name, query}], as lines of JSON.
// The tables are those of Azure Monitor's reference, as far as alerts and workbook use them.
const fs = require('fs');
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { GlobalState, KustoCode, Symbols } = Kusto.Language;
const common = 'TimeGenerated:datetime, Properties:dynamic, AppRoleName:string, OperationId:string, _ResourceId:string';
const tables = [
  Symbols.TableSymbol.From(`(${common}, Name:string, Sum:real, Min:real, Max:real, ItemCount:int)`).WithName('AppMetrics'),
  Symbols.TableSymbol.From(`(${common}, Message:string, SeverityLevel:int)`).WithName('AppTraces'),
];

// The library is translated from C#: which of its constructors takes a name and tables shows only when it is tried.
function database() {
  for (const name of Object.keys(Symbols.DatabaseSymbol).filter((key) => /ctor/.test(key))) {
    try {
      const made = new Symbols.DatabaseSymbol[name]('logs', tables);
      if (made.Tables && made.Tables.Count === tables.length && made.GetTable('AppMetrics')) return made;
    } catch { /* not this one */ }
  }
  throw new Error('no constructor of DatabaseSymbol takes a name and tables');
}

const globals = GlobalState.Default.WithDatabase(database());
for (const { name, query } of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  for (let i = 0; i < found.Count; i++) {
    const each = found.getItem(i);
    console.log(JSON.stringify({ name, code: each.Code, text: each.Message, at: query.substr(each.Start, each.Length) }));
  }
}
