import Foundation

/// Files and folders that must not outlive this process. Whoever makes one removes it; a signal that ends the process
/// removes them all.
package enum TemporaryPaths {
  private struct State: Sendable {
    var paths: Set<String> = []
    var isEnding = false
  }
  private static let state = Locked(State())

  /// Notes a path. Does not return once the process is ending: nothing new may be made then.
  package static func add(_ path: String) {
    let isEnding = state.withLock { state in
      if !state.isEnding { state.paths.insert(path) }
      return state.isEnding
    }
    while isEnding { sleep(1) }
  }

  /// Forgets a path that is removed, or has its final name.
  package static func forget(_ path: String) { state.withLock { _ = $0.paths.remove(path) } }

  /// Removes everything noted, shortly before the process ends.
  package static func removeAll() {
    let paths = state.withLock { state in
      state.isEnding = true
      return state.paths
    }
    for path in paths { try? FileManager.default.removeItem(atPath: path) }
  }
}

/// Temporary files and folders beside a target, `TARGET.PID.tmp`. Their makers hold a lock on them, which ends with the
/// process: what is not locked was left behind.
package enum Leftovers {
  /// The name for an attempt of this process.
  package static func name(of target: String, attempt: Int = 0) -> String {
    "\(target).\(getpid())" + (attempt == 0 ? "" : ".\(attempt)") + ".tmp"
  }

  /// Marks an open file or folder as in use. False if another process is just removing it, or has.
  package static func claim(_ descriptor: Int32, _ path: String) -> Bool {
    // A file system without locks keeps its leftovers.
    _ = flock(descriptor, LOCK_EX)
    return isSameFile(descriptor, path)
  }

  /// Removes what killed processes left beside a target.
  ///
  /// - Parameter names: what a folder among it may hold; anything else keeps it.
  package static func remove(of target: String, holding names: Set<String>? = nil) {
    let url = URL(fileURLWithPath: target)
    let (folder, base) = (url.deletingLastPathComponent().path, url.lastPathComponent)
    guard let present = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return }
    for name in present where isLeftover(name, of: base) {
      let path = folder + "/" + name
      let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, isSameFile(descriptor, path) else { continue }
      if let names, let inside = try? FileManager.default.contentsOfDirectory(atPath: path),
        !names.isSuperset(of: inside)
      {
        continue
      }
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// Whether a name is `BASE.PID.tmp` or `BASE.PID.ATTEMPT.tmp`.
  static func isLeftover(_ name: String, of base: String) -> Bool {
    guard name.utf8.starts(with: base.utf8), name.utf8.count > base.utf8.count else { return false }
    let parts = name.utf8.dropFirst(base.utf8.count).split(
      separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard (3...4).contains(parts.count), parts[0].isEmpty, parts[parts.count - 1].elementsEqual("tmp".utf8)
    else { return false }
    return parts[1..<parts.count - 1].allSatisfy { part in
      (1...10).contains(part.count) && part.allSatisfy { (48...57).contains($0) }
    }
  }
}
