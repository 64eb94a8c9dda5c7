import Foundation
import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The hub's cache on disk, as all of Hugging Face's programs share it:
/// `models--org--name/{blobs,refs,snapshots}`, where a snapshot is a folder of links to blobs.
public struct HubCache: Sendable {
  /// The folder of the cache.
  public let root: String

  /// A cache in a folder, which need not exist.
  public init(root: String) { self.root = root }

  /// The repository that a path in the cache belongs to, as `org/name`; nil for a path elsewhere.
  public static func repository(of path: String) -> String? {
    let parts = path.split(separator: "/")
    guard let at = parts.lastIndex(of: "snapshots"), at > 0, parts.count > at + 1 else { return nil }
    let names = parts[at - 1].split(separator: "--", omittingEmptySubsequences: false)
    guard names.count > 1, names[0] == "models" || names[0] == "datasets" else { return nil }
    return names.dropFirst().joined(separator: "/")
  }

  /// A repository's folder.
  func folder(_ name: HubName) -> String {
    root + "/" + Self.folderName(name)
  }

  private static func folderName(_ name: HubName) -> String {
    ([name.kind == .dataset ? "datasets" : "models"] + name.repository.split(separator: "/").map(String.init))
      .joined(separator: "--")
  }

  func blob(_ digest: String, of name: HubName) -> String { folder(name) + "/blobs/" + digest }

  func lock(_ digest: String, of name: HubName) -> String {
    root + "/.locks/" + Self.folderName(name) + "/" + digest + ".lock"
  }

  func snapshot(_ commit: String, of name: HubName) -> String { folder(name) + "/snapshots/" + commit }

  /// The commit that the cache knows for a name's revision.
  func commit(of name: HubName) -> String? {
    let revision = name.wantedRevision
    if HubName.isCommit(revision) {
      return Self.isDirectory(snapshot(revision, of: name)) ? revision : nil
    }
    guard let file = FileHandle(forReadingAtPath: folder(name) + "/refs/" + revision) else { return nil }
    defer { try? file.close() }
    let text = String(decoding: (try? file.read(upToCount: 128)) ?? Data(), as: UTF8.self)
      .trimmingASCIIBlanks()
    if HubName.isCommit(text) { return text }
    return nil
  }

  /// Whether a file or folder has that path; links are followed.
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func isDirectory(_ path: String) -> Bool {
    var isDirectory = ObjCBool(false)
    return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && isDirectory.boolValue
  }

  /// The length of a regular file behind a path; nil if there is none.
  static func size(_ path: String) -> Int? {
    var info = stat()
    guard unsafe stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(info.st_size)
  }

  /// Whether the cache says that a commit has no such file. Hugging Face's programs note this in an empty file under
  /// `.no_exist`, or in a list of all files under `trees`.
  func isKnownAbsent(_ path: String, commit: String, of name: HubName) -> Bool {
    if Self.exists(folder(name) + "/.no_exist/\(commit)/\(path)") { return true }
    let list = folder(name) + "/trees/\(commit).json"
    guard Self.exists(list), let tree = try? JSON.parse(path: list, maximumByteCount: 16 << 20).object,
      tree["format_version"]?.int == 1, let files = tree["files"]?.object
    else { return false }
    return files[path] == nil
  }
}

// MARK: - Writing

extension HubCache {
  static func failure(_ path: String, _ call: String, _ code: Int32) -> HubError {
    HubError(
      .unwritable, file: path, found: "\(call): \(systemErrorText(code))", expected: "to write to the cache",
      advice: code == ENOSPC || code == EDQUOT
        ? "Make room on the disk, or set HF_HOME to a folder on a larger one; what is fetched is kept."
        : "Check the folder and its permissions, or set HF_HOME to another one.")
  }

  /// Makes a folder and those above it.
  static func makeFolder(_ path: String) throws(HubError) {
    if isDirectory(path) { return }
    let code = makeFolders(path)
    guard code == 0 || isDirectory(path) else { throw failure(path, "mkdir", code) }
  }

  /// Makes a repository's folders. A tag file tells programs that make backups that this is a cache.
  func prepare(_ name: HubName) throws(HubError) {
    for part in ["blobs", "refs", "snapshots"] { try Self.makeFolder(folder(name) + "/" + part) }
    try Self.makeFolder(root + "/.locks/" + Self.folderName(name))
    let tag = root + "/CACHEDIR.TAG"
    if !Self.exists(tag) {
      // Only a hint: nothing depends on it.
      try? Data(
        "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache: https://bford.info/cachedir/\n"
          .utf8
      )
      .write(to: URL(fileURLWithPath: tag))
    }
  }

  /// Notes which commit a revision names. Other programs see the old text or the new one, never a part.
  func setCommit(_ commit: String, of name: HubName) throws(HubError) {
    let revision = name.wantedRevision
    if revision == commit || self.commit(of: name) == commit { return }
    let path = folder(name) + "/refs/" + revision
    try Self.makeFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    try Self.write(commit, to: path)
  }

  private static func write(_ text: String, to path: String) throws(HubError) {
    do throws(ModelFilesError) {
      try FileWriter.write(Array(text.utf8), to: path)
    } catch {
      throw error.restated(.unwritable)
    }
  }

  /// Notes that a commit has no such file.
  func noteAbsent(_ path: String, commit: String, of name: HubName) {
    let mark = folder(name) + "/.no_exist/\(commit)/\(path)"
    guard !Self.exists(mark) else { return }
    // Only a hint: without it the hub is asked again.
    try? Self.makeFolder(URL(fileURLWithPath: mark).deletingLastPathComponent().path)
    try? Data().write(to: URL(fileURLWithPath: mark))
  }

  /// Makes the files of a commit visible: all at once if none of it was there, else one by one.
  ///
  /// - Parameter files: their blobs are complete.
  func publish(
    _ files: [HubFile], commit: String, of name: HubName, avoidsLinks: Bool
  ) throws(HubError) {
    let final = snapshot(commit, of: name)
    if Self.isDirectory(final) {
      for file in files { try link(file, in: final, of: name, avoidsLinks) }
      return
    }
    // Outside `snapshots`, where another program would take it for a whole snapshot.
    let target = folder(name) + "/.\(commit)"
    Leftovers.remove(of: target)
    let temporary = Leftovers.name(of: target)
    try? FileManager.default.removeItem(atPath: temporary)
    TemporaryPaths.add(temporary)
    try Self.makeFolder(temporary)
    // The lock shows other programs that it is no leftover.
    let held = unsafe open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if held >= 0 { _ = flock(held, LOCK_EX) }
    defer {
      try? FileManager.default.removeItem(atPath: temporary)
      TemporaryPaths.forget(temporary)
      if held >= 0 { close(held) }
    }
    for file in files { try link(file, in: temporary, of: name, avoidsLinks) }
    guard unsafe rename(temporary, final) != 0 else { return }
    // Another program made it meanwhile.
    guard Self.isDirectory(final) else { throw Self.failure(final, "rename", errno) }
    for file in files { try link(file, in: final, of: name, avoidsLinks) }
  }

  private func link(
    _ file: HubFile, in folder: String, of name: HubName, _ avoidsLinks: Bool
  ) throws(HubError) {
    let path = folder + "/" + file.path
    if Self.size(path) != nil { return }
    let parts = file.path.split(separator: "/")
    if parts.count > 1 {
      try Self.makeFolder(folder + "/" + parts.dropLast().joined(separator: "/"))
    }
    let blob = blob(file.digest, of: name)
    var code: Int32 = EPERM
    if !avoidsLinks {
      let target = String(repeating: "../", count: parts.count + 1) + "blobs/" + file.digest
      // A dangling link, or what is no file, is replaced.
      unsafe unlink(path)
      if unsafe symlink(target, path) == 0 { return }
      code = errno
      if code == EEXIST, Self.size(path) != nil { return }
    }
    // Without links the file itself moves into the snapshot, as with Hugging Face's programs.
    guard [EPERM, ENOTSUP, EOPNOTSUPP, EACCES].contains(code), unsafe rename(blob, path) == 0 else {
      throw Self.failure(path, "symlink", code)
    }
  }

  /// Free bytes on the disk of the cache; nil if the system does not say.
  func freeBytes() -> Int? {
    var folder = root
    while true {
      var info = statvfs()
      if unsafe statvfs(folder, &info) == 0 {
        let (bytes, overflow) = Int(info.f_bavail).multipliedReportingOverflow(by: Int(info.f_frsize))
        return overflow ? nil : bytes
      }
      if folder == "/" || folder.isEmpty { return nil }
      folder = URL(fileURLWithPath: folder).deletingLastPathComponent().path
    }
  }
}
