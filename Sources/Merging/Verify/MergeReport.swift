import AdapterFormat
public import ModelFiles
import Support

/// What a merge did, and what rounding cost: written beside the weights as `merge-report.json`.
public struct MergeReport: Sendable {
  /// An adapter that was merged.
  public struct MergedAdapter: Sendable {
    /// The last component of its path.
    public let name: String
    /// SHA-256 over its modules: names, scales, types and numbers.
    public let digest: String
    /// The factor on its own scales.
    public let scale: Float
    /// The name of its base in its file.
    public let baseModelName: String?
    /// How the base was recognised: "same", "same in another encoding", "not identified", …
    public let base: String
  }

  /// The directory or GGUF file that was made.
  public let output: String
  /// The last component of the base's path.
  public let base: String
  /// The digest of the base's weights (spec/base-identity.md).
  public let baseDigest: String
  /// The adapters in the order given.
  public let adapters: [MergedAdapter]
  /// The element type of the merged weights.
  public let elementType: String
  /// How sums were rounded.
  public let rounding: Rounding
  /// What became of each module's change.
  public let modules: [ModuleMeasure]
  /// Merged against attached.
  public let logits: LogitCheck
  /// The weight files.
  public let files: [String]
  /// Files of the base's directory that were not carried along.
  public let leftOut: [String]
  /// Warnings for a person, one sentence each.
  public let warnings: [String]
  /// Paths that warnings name; the written report holds only their last components.
  let paths: [String]

  /// Where the report of a merge into a GGUF file is written: `merged.gguf`, `merged.merge-report.json`.
  public static func path(besides file: String) -> String {
    (file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file) + ".merge-report.json"
  }

  /// Where less survived than anywhere else; nil if no module changes.
  public var worst: ModuleMeasure? { modules.worst }

  /// All modules as one.
  public var total: ModuleMeasure { modules.total }

  /// The report as JSON. It names nothing of the machine, so that equal merges give equal reports.
  public var json: JSONValue {
    func number(_ value: Double?) -> JSONValue {
      value.flatMap { $0.isFinite ? JSONValue($0) : nil } ?? .null
    }
    func measure(_ module: ModuleMeasure) -> JSONValue {
      .record([
        "module": .string(module.name), "survived": number(module.survived), "error": number(module.error),
        "delta_rms": number(module.deltaRMS), "changed": number(module.changedShare),
        "weights": JSONValue(module.count),
      ])
    }
    var members: [(key: String, value: JSONValue)] = [
      ("format", .string("tina merge report 1")),
      ("base", .record(["name": .string(base), "digest": .string(baseDigest)])),
      (
        "adapters",
        .array(
          adapters.map { adapter in
            .record([
              "name": .string(adapter.name), "digest": .string(adapter.digest),
              "scale": JSONValue(Double(adapter.scale)),
              "says_base": adapter.baseModelName.map { .string($0) } ?? .null, "base": .string(adapter.base),
            ])
          })
      ), ("dtype", .string(elementType)), ("rounding", .string(rounding.name)),
    ]
    if case .stochastic(let seed) = rounding { members.append(("seed", .number(String(seed)))) }
    members += [
      ("total", measure(modules.total)), ("worst", worst.map { measure($0) } ?? .null),
      ("logits", logits.json), ("files", .array(files.map { .string($0) })),
      ("left_out", .array(leftOut.map { .string($0) })),
      ("warnings", .array(warnings.map { .string(withoutFolders($0)) })),
      ("modules", .array(modules.map { measure($0) })),
    ]
    return .object(JSONObject(members))
  }

  private func withoutFolders(_ text: String) -> String {
    paths.sorted { $0.utf8.count > $1.utf8.count }.reduce(text) { text, path in
      let parts = path.split(separator: "/")
      return parts.count > 1 ? text.replacing(path, with: String(parts[parts.count - 1])) : text
    }
  }

  /// The report in a few lines for a person.
  public var summary: String {
    var lines = [
      "\(output): \(adapters.map(\.name).joined(separator: " + ")) merged into \(base), \(elementType), "
        + "rounded to \(rounding == .nearest ? "nearest" : "neighbours at random")"
    ]
    if let survived = total.survived, let error = total.error, let worst {
      lines.append(
        "  change that survived rounding: \(percent(survived)) in all, \(percent(worst.survived ?? 0)) at "
          + "least (\(worst.name))")
      lines.append(
        "  rounding error: \(percent(error)) of the change; typical change \(scientific(total.deltaRMS)), "
          + "\(percent(total.changedShare)) of \(total.count) weights moved")
    } else {
      lines.append("  the adapters change nothing: every ΔW is zero")
    }
    lines.append(
      "  logits against the attached form: at most \(scientific(logits.relativeDifference)) of their range "
        + "apart (\(decimal(logits.maxDifference, 5))), KL \(scientific(logits.meanDivergence)) on average, "
        + "\(scientific(logits.maxDivergence)) at most")
    lines.append(
      "  the likeliest token is the same at \(logits.agreeing) of \(logits.positions) positions of "
        + "\(logits.probes.count) \(logits.probes.count == 1 ? "text" : "texts")")
    if !leftOut.isEmpty { lines.append("  not carried along: " + leftOut.joined(separator: ", ")) }
    return lines.joined(separator: "\n")
  }
}

extension LogitCheck {
  var json: JSONValue {
    func number(_ value: Double) -> JSONValue { value.isFinite ? JSONValue(value) : .null }
    return .record([
      "positions": JSONValue(positions), "same_likeliest": JSONValue(agreeing),
      "max_difference": number(maxDifference), "range": number(range),
      "relative_difference": number(relativeDifference), "mean_kl": number(meanDivergence),
      "max_kl": number(maxDivergence),
      "probes": .array(
        probes.map { probe in
          .record([
            "text": .string(probe.text), "tokens": JSONValue(probe.ids.count),
            "first_difference": probe.firstDifference.map { JSONValue($0) } ?? .null,
          ])
        }),
    ])
  }
}
