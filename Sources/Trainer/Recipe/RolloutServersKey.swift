import ModelFiles
import Transfer

/// The keys `rollout_servers` and `rollout_folder`: who samples.
enum RolloutServersKey {
  static let name = "rollout_servers"
  static let folder = "rollout_folder"
  static let names = [name, folder]
  private static let limit = 256

  /// The addresses; empty where the recipe names none.
  static func read(_ reader: inout RecipeReader) throws(TrainerError) -> [String] {
    guard let addresses = try reader.texts(name) else { return [] }
    guard addresses.count <= limit else {
      throw reader.error(name, found: "\(addresses.count) addresses", expected: "at most \(limit)")
    }
    var seen: Set<String> = []
    for address in addresses {
      guard let url = WebAddress(address), !url.path.contains("?") else {
        throw reader.error(
          name, found: quoted(address), expected: "addresses such as http://127.0.0.1:8000")
      }
      guard seen.insert(url.text).inserted else {
        throw reader.error(name, found: "\(url.text) twice", expected: "each server once")
      }
    }
    return addresses
  }

  /// A recipe without the keys, whose digest says what is trained: their lines, and those that continue them.
  static func removed(from yaml: String) -> String {
    var kept: [Substring.UTF8View] = []
    var isInside = false
    for line in yaml[...].utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      let first = line.first
      if isInside {
        // Lists may begin at the left margin.
        isInside = first == UInt8(ascii: " ") || first == UInt8(ascii: "\t") || first == UInt8(ascii: "-")
      }
      if !isInside { isInside = names.contains { line.starts(with: ($0 + ":").utf8) } }
      if !isInside { kept.append(line) }
    }
    return kept.map { String(Substring($0)) }.joined(separator: "\n")
  }
}
