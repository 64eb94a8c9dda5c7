import Foundation
import Testing

@testable import Support

@Suite struct FolderLockTests {
  private let folder = NSTemporaryDirectory() + "tina-lock-\(UUID().uuidString)"

  init() { #expect(makeFolders(folder) == 0) }

  @Test func theSecondOneIsToldWhoHasIt() throws {
    let path = folder + "/lock"
    var first: FolderLock? = try FolderLock(file: path, purpose: "tina train")
    #expect(holder(path) == "process \(getpid()), tina train")
    withExtendedLifetime(first) {}
    first = nil
    #expect(!FileManager.default.fileExists(atPath: path))
    _ = try FolderLock(file: path, purpose: "another")
  }

  /// Who keeps this process from having a lock; nil if nobody does.
  private func holder(_ path: String) -> String? {
    do throws(FolderLock.Failure) {
      _ = try FolderLock(file: path, purpose: "another")
      return nil
    } catch {
      if case .held(let holder) = error { return holder }
      return "\(error)"
    }
  }

  /// What a killed process leaves is a file without a lock.
  @Test func aFileThatWasLeftLocksNothing() throws {
    let path = folder + "/lock"
    try Data("4711 tina train\n".utf8).write(to: URL(fileURLWithPath: path))
    _ = try FolderLock(file: path, purpose: "tina train")
  }

  @Test func manyThreadsNeverShareALock() throws {
    let path = folder + "/lock"
    let inside = Locked(0)
    let most = Locked(0)
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<50 {
        guard let lock = try? FolderLock(file: path, purpose: "x") else { continue }
        let count = inside.withLock { inside in
          inside += 1
          return inside
        }
        most.withLock { $0 = max($0, count) }
        inside.withLock { $0 -= 1 }
        withExtendedLifetime(lock) {}
      }
    }
    #expect(most.withLock { $0 } == 1)
  }

  @Test func leftoversGoAndOthersStay() throws {
    let target = folder + "/out"
    for name in [
      "out.99999.tmp", "out.99999.3.tmp", "out.tmp", "out.x.tmp", "other.99999.tmp", "out.1.2.3.tmp",
    ] {
      try Data().write(to: URL(fileURLWithPath: folder + "/" + name))
    }
    #expect(makeFolders(folder + "/out.12345.tmp") == 0)
    try Data().write(to: URL(fileURLWithPath: folder + "/out.12345.tmp/adapter_config.json"))
    // One that another process is writing: it holds a lock.
    let live = unsafe open(folder + "/out.55555.tmp", O_RDWR | O_CREAT, 0o666)
    #expect(Leftovers.claim(live, folder + "/out.55555.tmp"))
    Leftovers.remove(of: target)
    let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    #expect(left == ["other.99999.tmp", "out.1.2.3.tmp", "out.55555.tmp", "out.tmp", "out.x.tmp"])
    close(live)
  }

  @Test func foldersWithOtherFilesStay() throws {
    #expect(makeFolders(folder + "/out.12345.tmp") == 0)
    try Data().write(to: URL(fileURLWithPath: folder + "/out.12345.tmp/thesis.txt"))
    Leftovers.remove(of: folder + "/out", holding: ["adapter_config.json"])
    #expect(FileManager.default.fileExists(atPath: folder + "/out.12345.tmp/thesis.txt"))
  }
}
