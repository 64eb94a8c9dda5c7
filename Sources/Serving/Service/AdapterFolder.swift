import Foundation
import ModelFiles

/// The one folder from which clients may load adapters by path.
///
/// Links are resolved before a path is compared with the folder. The error for a path outside is the same whether
/// something exists there or not.
public struct AdapterFolder: Sendable {
  private let root: String

  /// - Throws: `ServingError` when `path` is no directory.
  public init(path: String) throws {
    guard let real = Self.real(path), Self.isDirectory(real) else {
      throw ServingError.invalid("--adapter-dir: found \(quoted(path)), expected a directory.")
    }
    root = real
  }

  /// The real path of what a client calls `path`: relative to the folder, or absolute within it.
  func resolve(_ path: String) throws(ServingError) -> String {
    let refused = ServingError.field(
      "lora_path", found: quoted(path), expected: "an adapter in the folder that --adapter-dir names")
    guard !path.isEmpty, path.utf8.count <= 4096, !path.utf8.contains(0) else { throw refused }
    let joined = path.hasPrefix("/") ? path : root + "/" + path
    guard let real = Self.real(joined), real.utf8.starts(with: (root == "/" ? root : root + "/").utf8) else {
      throw refused
    }
    return real
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
