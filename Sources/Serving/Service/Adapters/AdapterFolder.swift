import Foundation
import ModelFiles
import Support

/// The one folder from which clients may load adapters by path.
///
/// A path is followed part by part, and no part may lead out of the folder: neither its name nor a link. The error for
/// a path outside is the same whatever exists there.
public struct AdapterFolder: Sendable {
  /// The folder, its links resolved.
  let root: String

  /// The most parts of a path, and the most files of an adapter.
  private static let partLimit = 64
  private static let fileLimit = 1024

  /// - Throws: `ServingError` when `path` is no directory.
  public init(path: String) throws {
    guard let real = Self.real(path), Self.isDirectory(real) else {
      throw ServingError.invalid("--adapter-dir: found \(quoted(path)), expected a directory.")
    }
    root = real
  }

  /// The real path of what a client calls `path`: relative to the folder, or absolute within it.
  ///
  /// - Throws: `ServingError` with status 404.
  func resolve(_ path: String) throws(ServingError) -> String {
    guard let parts = parts(of: path), let found = follow(parts), holdsItsFiles(found) else {
      throw ServingError(
        404, "not_found_error", code: "adapter_not_found", param: "lora_path",
        "lora_path: found \(quoted(path)), expected an adapter in the folder that --adapter-dir names.")
    }
    return found
  }

  /// The parts of a path below the folder, `..` resolved by name alone; nil for what lies above.
  private func parts(of path: String) -> [String]? {
    guard !path.isEmpty, path.utf8.count <= 4096, !path.utf8.contains(0) else { return nil }
    var rest = Array(path.utf8)[...]
    if rest.first == UInt8(ascii: "/") {
      let prefix = Array(root.utf8) + (root.isSame(as: "/") ? [] : Array("/".utf8))
      guard rest.starts(with: prefix) else { return nil }
      rest = rest.dropFirst(prefix.count)
    }
    var parts: [String] = []
    for part in rest.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
      if part.elementsEqual("..".utf8) {
        guard parts.popLast() != nil else { return nil }
      } else {
        parts.append(String(decoding: part, as: UTF8.self))
      }
    }
    return (1...Self.partLimit).contains(parts.count) ? parts : nil
  }

  private func follow(_ parts: [String]) -> String? {
    var place = root
    for part in parts {
      // A link may lead to the folder itself.
      guard let next = Self.real(place + "/" + part), isInside(next) || next.isSame(as: root) else {
        return nil
      }
      place = next
    }
    return isInside(place) ? place : nil
  }

  private func isInside(_ real: String) -> Bool {
    real.utf8.starts(with: (root.isSame(as: "/") ? root : root + "/").utf8)
  }

  /// Whether no file of an adapter's directory is a link that leads out of the folder.
  private func holdsItsFiles(_ path: String) -> Bool {
    guard Self.isDirectory(path) else { return true }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return false }
    return names.count <= Self.fileLimit
      && names.allSatisfy { name in Self.real(path + "/" + name).map(isInside) ?? false }
  }

  private static func real(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  private static func isDirectory(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && isDirectory.boolValue
  }
}
