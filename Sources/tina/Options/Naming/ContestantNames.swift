import Foundation
import Hub
import TinaRuntime

/// What adapters are called beside each other: as they were named, or by the shortest end of their paths that tells
/// them apart.
enum ContestantNames {
  /// Files that every adapter of their kind has.
  private static let usual: Set<String> = ["adapter.tina", "adapter_model.safetensors", "peft"]

  static func names(_ adapters: [NamedAdapter]) -> [String] {
    let parts = adapters.map(Self.parts)
    var taken = Set(adapters.filter(\.isNamed).map(\.name)).union(["base"])
    return adapters.indices.map { i in
      if adapters[i].isNamed { return adapters[i].name }
      let scale = adapters[i].source.scale
      let factor = scale == 1 ? "" : "@\(scale)"
      var name = ""
      for count in 1...max(parts[i].count, 1) {
        name = parts[i].suffix(count).joined(separator: "/")
        let isTold = adapters.indices.allSatisfy { j in
          j == i || adapters[j].isNamed || parts[j].suffix(count) != parts[i].suffix(count)
        }
        if isTold, !taken.contains(name + factor) { break }
      }
      name += factor
      var number = 2
      let first = name
      while taken.contains(name) {
        name = first + " (\(number))"
        number += 1
      }
      taken.insert(name)
      return name
    }
  }

  /// The parts of a path that can be names: not the file's name that every run's checkpoints share.
  private static func parts(_ adapter: NamedAdapter) -> [String] {
    var parts = adapter.source.path.split(separator: "/").map(String.init).filter { $0 != "." }
    while parts.count > 1, let last = parts.last, usual.contains(last) { parts.removeLast() }
    if let last = parts.last {
      for ending in [".tina", ".gguf"] where last.hasSuffix(ending) && last != ending {
        parts[parts.count - 1] = String(last.dropLast(ending.count))
      }
    }
    return parts
  }
}
