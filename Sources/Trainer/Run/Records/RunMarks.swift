import ModelFiles

/// Checkpoints that stand out, in `marks.json`.
package struct RunMarks {
  package var best: Int?
  var bestPass = -1.0
  package var transition: Int?
  package var beforeTransition: Int?

  init() {}

  /// Reads what an earlier process marked.
  package init(allOf folder: String) {
    self.init(readFrom: folder)
    let object = (try? JSON.parse(path: folder + "/marks.json"))?.object
    transition = object?["transition_step"]?.int
    beforeTransition = object?["last_before_transition"]?.int
  }

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
