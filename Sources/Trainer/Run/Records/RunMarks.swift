import ModelFiles

/// Checkpoints that stand out, in `marks.json`.
struct RunMarks {
  var best: Int?
  var bestPass = -1.0
  var transition: Int?
  var beforeTransition: Int?

  init() {}

  /// Reads the best checkpoint that an earlier process marked. The metrics tell the transition again.
  init(readFrom folder: String) {
    guard let object = (try? JSON.parse(path: folder + "/marks.json"))?.object else { return }
    best = object["best_on_held_out"]?.int
    bestPass = object["best_pass_at_1"]?.double ?? -1
  }

  func write(_ folder: String) throws(ModelFilesError) {
    let number = { (value: Int?) in value.map { JSONValue($0) } ?? .null }
    try RunFolder.write(
      JSONObject([
        ("best_on_held_out", number(best)), ("best_pass_at_1", bestPass < 0 ? .null : JSONValue(bestPass)),
        ("transition_step", number(transition)), ("last_before_transition", number(beforeTransition)),
      ]), to: folder + "/marks.json")
  }
}
