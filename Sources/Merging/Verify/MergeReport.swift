import AdapterFormat
public import ModelFiles

/// What a merge did, and how well: written beside the weights as `merge-report.json`.
public struct MergeReport: Sendable {
  /// An adapter that was merged.
  public struct MergedAdapter: Sendable {
    /// The last component of its path.
    public let name: String
    /// SHA-256 over its modules: names, scales, types and numbers.
    public let digest: String
    /// The factor on its own scales.
    public let scale: Float
    /// What its file calls its base.
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
  /// What a person should know, one sentence each.
  public let warnings: [String]
  /// Paths that warnings name; the written report tells their last components alone.
  let paths: [String]

  /// Where the report of a merge into a GGUF file is written: `merged.gguf`, `merged.merge-report.json`.
  public static func path(besides file: String) -> String {
    (file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file) + ".merge-report.json"
  }

  /// Where less survived than anywhere else; nil if no module changes.
  public var worst: ModuleMeasure? {
    modules.filter { $0.survived != nil }.min { ($0.survived ?? 1) < ($1.survived ?? 1) }
  }

  /// All modules as one.
  public var total: ModuleMeasure {
    var total = ModuleMeasure(name: "all modules")
    for module in modules { total.add(module) }
    return total
  }

  /// The report as JSON; it tells nothing of the machine that merged, so equal merges give equal reports.
  public var json: JSONValue {
    func number(_ value: Double?) -> JSONValue {
      value.flatMap { $0.isFinite ? JSONValue($0) : nil } ?? .null
    }
    func measure(_ module: ModuleMeasure) -> JSONValue {
      .object(
        JSONObject([
          ("module", .string(module.name)), ("survived", number(module.survived)),
          ("error", number(module.error)), ("delta_rms", number(module.deltaRMS)),
          ("changed", number(module.changedShare)), ("weights", JSONValue(module.count)),
        ]))
    }
    var rounding: [(key: String, value: JSONValue)] = [("rounding", .string(self.rounding.name))]
    if case .stochastic(let seed) = self.rounding { rounding.append(("seed", .number(String(seed)))) }
    return .object(
      JSONObject(
        [
          ("format", .string("tina merge report 1")),
          (
            "base",
            .object(JSONObject([("name", .string(base)), ("digest", .string(baseDigest))]))
          ),
          (
            "adapters",
            .array(
              adapters.map { adapter in
                .object(
                  JSONObject([
                    ("name", .string(adapter.name)), ("digest", .string(adapter.digest)),
                    ("scale", JSONValue(Double(adapter.scale))),
                    ("says_base", adapter.baseModelName.map { .string($0) } ?? .null),
                    ("base", .string(adapter.base)),
                  ]))
              })
          ),
          ("dtype", .string(elementType)),
        ] + rounding + [
          ("total", measure(total)), ("worst", worst.map { measure($0) } ?? .null),
          ("logits", logits.json), ("files", .array(files.map { .string($0) })),
          ("left_out", .array(leftOut.map { .string($0) })),
          ("warnings", .array(warnings.map { .string(withoutFolders($0)) })),
          ("modules", .array(modules.map { measure($0) })),
        ]))
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
    let total = total
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
    return .object(
      JSONObject([
        ("positions", JSONValue(positions)), ("same_likeliest", JSONValue(agreeing)),
        ("max_difference", number(maxDifference)),
        ("range", number(range)), ("relative_difference", number(relativeDifference)),
        ("mean_kl", number(meanDivergence)), ("max_kl", number(maxDivergence)),
        (
          "probes",
          .array(
            probes.map { probe in
              .object(
                JSONObject([
                  ("text", .string(probe.text)), ("tokens", JSONValue(probe.ids.count)),
                  ("first_difference", probe.firstDifference.map { JSONValue($0) } ?? .null),
                ]))
            })
        ),
      ]))
  }
}
