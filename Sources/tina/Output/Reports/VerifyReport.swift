import AdapterFormat
import ModelFiles
import TinaRuntime

/// What `tina verify` finds in an adapter or a model, as text and as JSON.
struct VerifyReport {
  let path: String
  var format: AdapterFileFormat?
  /// The format of the model, if the path holds one instead of an adapter.
  var modelFormat: String?
  var summary = ""
  var violations: [AdapterError.Violation] = []
  /// Remarks that are no faults.
  var remarks: [String] = []

  var isSound: Bool { violations.isEmpty }

  init(_ path: String) {
    self.path = path
    if VerifiedModel.isThere(path) {
      let model = VerifiedModel(path)
      modelFormat = path.hasSuffix(".gguf") ? "gguf" : "huggingface"
      (summary, violations, remarks) = (model.summary, model.violations, model.remarks)
      return
    }
    do throws(AdapterError) {
      // Everything is compared below, and all that is wrong is listed there.
      try check(AdapterFile(path: path, isTrusted: true))
    } catch {
      violations = error.violations
      lookCloser(error)
    }
  }

  private mutating func check(_ file: AdapterFile) throws(AdapterError) {
    format = file.format
    remarks = file.notes
    summary =
      "\(Figures.count(file.archive.entries.count { $0.pair != nil }, "low-rank pair")),"
      + " \(Figures.count(file.archive.entries.count { $0.pair == nil }, "other tensor")),"
      + " \(Figures.grouped(file.archive.parameterCount)) parameters"
    violations = file.archive.nonFinite(path: file.files.last ?? path)
    if file.format == .tina, let name = file.files.last { add(try TinaFile.verify(path: name)) }
    if violations.isEmpty { judge(file) }
  }

  /// Looks for all faults of a .tina file that does not open. It may be a prefix.
  private mutating func lookCloser(_ error: AdapterError) {
    guard path.hasSuffix(".tina"), !error.violations.contains(where: { $0.kind == .missing }),
      let report = try? TinaFile.verify(path: path)
    else { return }
    format = .tina
    violations = []
    add(report)
    if violations.isEmpty { violations = error.violations }
  }

  private mutating func add(_ report: TinaReport) {
    violations += report.violations
    if case .prefix(let layers, let all) = report.extent {
      violations.append(
        .init(
          .malformed, file: path, found: "the first \(layers) of \(all) quality layers",
          expected: "all of them: this is a sound prefix, and a weaker adapter",
          advice: "Get the rest, or use it as \(path):layers=\(layers)."))
    }
    if let digest = report.contentDigest {
      summary += ", \(Figures.count(report.checkedBlockCount, "block")) checked, content digest \(digest)"
    }
  }

  private mutating func judge(_ file: AdapterFile) {
    do throws(AdapterError) {
      let adapter = try Adapter(file)
      if let reason = adapter.zeroReason { remarks.append(reason + ": the adapter changes nothing") }
      remarks += AdapterFit.violations(adapter, nil).prefix(20).map { "tina run would refuse it: \($0)" }
      if file.archive.base == nil { remarks.append("base not identified") }
    } catch {
      remarks += error.violations.prefix(20).map { "tina run would refuse it: \($0.statement)" }
      if error.violations.count > 20 { remarks.append("and \(error.violations.count - 20) more reasons") }
    }
  }

  var lines: [String] {
    let title =
      modelFormat.map { $0 == "gguf" ? "GGUF model, " : "Hugging Face model, " }
      ?? format.map { $0.title + ", " } ?? ""
    var lines: [String]
    if isSound {
      lines = ["\(path): \(title)sound: \(summary)"]
    } else {
      lines = ["\(path): \(title)\(Figures.count(violations.count, "violation")):"]
      lines += violations.prefix(100).map { "  \($0.statement)" }
      if violations.count > 100 { lines.append("  and \(violations.count - 100) more") }
      var advices: [String] = []
      for violation in violations where !violation.advice.isEmpty && !advices.contains(violation.advice) {
        advices.append(violation.advice)
      }
      lines += advices.prefix(4)
    }
    return lines + remarks.map { "  note: \($0)" }
  }

  var json: JSONValue {
    let faults: [JSONValue] = violations.map { violation in
      let fields: KeyValuePairs<String, JSONValue> = [
        "file": .string(violation.file), "place": .string(violation.place),
        "found": .string(violation.found), "expected": .string(violation.expected),
        "advice": .string(violation.advice),
      ]
      return .record(fields)
    }
    let remarks: [JSONValue] = self.remarks.map { JSONValue.string($0) }
    let format: JSONValue = (modelFormat ?? self.format?.rawValue).map { JSONValue.string($0) } ?? .null
    let fields: KeyValuePairs<String, JSONValue> = [
      modelFormat == nil ? "adapter" : "model": .string(path), "format": format, "sound": .bool(isSound),
      "violations": .array(faults),
      "remarks": .array(remarks),
    ]
    return .record(fields)
  }
}
