import Foundation
import ModelFiles
import Problems

/// Writes a run's numbers to `metrics.jsonl` and TensorBoard's files, and completions to `samples.jsonl`.
package struct MetricsLog {
  package struct Line: Sendable {
    package let step: Int
    package let values: [String: Double]
  }

  let folder: String
  private var events: EventFile?
  private var path: String { folder + "/metrics.jsonl" }

  init(folder: String) { self.folder = folder }

  mutating func write(step: Int, _ values: [(String, Double)]) throws(TrainerError) {
    let finite = values.filter { $0.1.isFinite }
    let members: [(key: String, value: JSONValue)] =
      [("step", JSONValue(step))] + finite.map { ($0.0, JSONValue($0.1)) }
    try AppendingFile.append(Array((JSONValue.object(JSONObject(members)).text() + "\n").utf8), to: path)
    let now = Date().timeIntervalSince1970
    if events == nil { events = try EventFile(folder: folder, step: step, time: now) }
    try events?.write(finite, step: step, time: now)
  }

  /// Writes remarks to `notes.jsonl`.
  func write(_ notes: [RunAdvice.Note]) throws(TrainerError) {
    for note in notes {
      try AppendingFile.append(
        Array((JSONValue.object(note.json).text() + "\n").utf8), to: folder + "/" + Self.notes)
    }
  }

  /// The file of remarks.
  static let notes = "notes.jsonl"

  /// Writes one completion of each of the first two groups.
  func writeSamples(step: Int, _ rollout: Rollout) throws(TrainerError) {
    for g in rollout.groups.indices.prefix(2) {
      guard let text = rollout.texts[g].first else { continue }
      let object = JSONObject([
        ("step", JSONValue(step)), ("problem", .string(rollout.problems[g].text)),
        ("completion", .string(text)),
        ("reward", rollout.groups[g].rewards[0].map { JSONValue($0) } ?? .null),
      ])
      try AppendingFile.append(
        Array((JSONValue.object(object).text() + "\n").utf8), to: folder + "/samples.jsonl")
    }
  }

  static func objects(_ path: String) -> [JSONObject] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    return data.split(separator: UInt8(ascii: "\n")).compactMap {
      (try? JSON.parse(Array($0), file: path))?.object
    }
  }

  package static func lines(_ path: String) -> [Line] {
    objects(path).compactMap { object in
      guard let step = object["step"]?.int else { return nil }
      var values: [String: Double] = [:]
      for key in object.keys where key != "step" { values[key] = object[key]?.double }
      return Line(step: step, values: values)
    }
  }

  /// Drops records of steps after `step`, from which the run continues.
  func cut(after step: Int) throws {
    for name in ["metrics.jsonl", "samples.jsonl", Self.notes]
    where FileManager.default.fileExists(atPath: folder + "/" + name) {
      let kept = Self.objects(folder + "/" + name).filter { ($0["step"]?.int ?? .max) <= step }
      try RunFolder.write(
        kept.map { JSONValue.object($0).text() + "\n" }.joined(), to: folder + "/" + name)
    }
  }
}
