import ModelFiles
import Support

/// Why a merge was not made. The output's name stays as it was.
public enum MergeError: Error, Sendable {
  /// Something has the output's name, and it may not be replaced.
  case outputExists(path: String)
  /// The output is the base, or lies in it, or the base in it.
  case outputIsInput(path: String, input: String)
  /// A setting has a value that no merge allows.
  case invalidSetting(name: String, found: String, expected: String)
  /// Numbers do not fit the output's element type.
  case notFinite(tensor: String, count: Int, type: String)
  /// Rounding would leave less than half of the adapter in some modules.
  case lost(modules: [ModuleMeasure], type: String, isStochastic: Bool)
  /// The same for a merge in memory.
  case lostInMemory(modules: [ModuleMeasure], type: String)
  /// What was written does not compute what the attached adapters compute.
  case notEquivalent(found: String, expected: String)
  /// Another process is writing to the same place.
  case busy(path: String, holder: String)
  /// The system refused to create, write or rename.
  case unwritable(path: String, call: String, reason: String)
}

extension MergeError: CustomStringConvertible {
  /// The message for people: place, found, expected, remedy.
  public var description: String {
    switch self {
    case .outputExists(let path):
      return """
        \(printable(path, limit: 4096)): found something of that name; expected nothing. Choose another path, or \
        give --force to replace it once the merge is verified.
        """
    case .outputIsInput(let path, let input):
      return """
        \(printable(path, limit: 4096)): found an output that is, or holds, or lies in \
        \(printable(input, limit: 4096)); expected a place of its own. Choose another path.
        """
    case .invalidSetting(let name, let found, let expected):
      return "\(name): found \(found), expected \(expected)."
    case .notFinite(let tensor, let count, let type):
      return """
        tensor \(quoted(tensor)): found \(count) numbers that are not finite in \(type); expected finite \
        ones. \(["F32", "BF16"].contains(type)
          ? "Lower the adapter's scale, or check its numbers."
          : "Choose f32 or bf16, whose range is larger, or lower the adapter's scale.")
        """
    case .lost(let modules, let type, let isStochastic):
      return Self.lost(modules, type, isStochastic)
    case .lostInMemory(let modules, let type):
      let worst = modules.min { ($0.survived ?? 1) < ($1.survived ?? 1) }
      return """
        merging into \(type) in memory: found less than half of the adapter's change in \(modules.count) modules \
        after rounding (\(worst?.name ?? "") keeps \(percent(worst?.survived ?? 0))); expected at least 50 % in \
        every module. Merge into f32, which is exact, or leave the adapter attached.
        """
    case .notEquivalent(let found, let expected):
      return """
        the merged model was written and read back, but it does not compute what the attached adapters do: \
        found \(found); expected \(expected). Nothing was left. This should not happen: please report it.
        """
    case .busy(let path, let holder):
      return """
        \(printable(path, limit: 4096)): found another process that is writing there (\(holder)); expected none. \
        Wait for it, or choose another path.
        """
    case .unwritable(let path, let call, let reason):
      return """
        \(printable(path, limit: 4096)): found \(call): \(reason); expected to write there. Check the folder, its \
        permissions and the room on the disk.
        """
    }
  }

  private static func lost(_ modules: [ModuleMeasure], _ type: String, _ isStochastic: Bool) -> String {
    let worst = modules.sorted { ($0.survived ?? 1) < ($1.survived ?? 1) }
    var lines = [
      "rounding to \(type) would leave less than half of the adapter's change in \(modules.count) modules, so "
        + "nothing was written:"
    ]
    lines += worst.prefix(8).map { module in
      "  - \(module.name): \(percent(module.survived ?? 0)) survives (typical change "
        + "\(scientific(module.deltaRMS)), \(percent(module.changedShare)) of the weights moved)"
    }
    if worst.count > 8 { lines.append("  - … and \(worst.count - 8) more") }
    lines.append(
      "Expected at least 50 % in every module. Keep the adapter attached (exact), or merge with --dtype f32 "
        + "(exact)" + (isStochastic ? "" : ", --rounding stochastic (right on average, with noise)")
        + ", or --accept-loss.")
    return lines.joined(separator: "\n")
  }
}
