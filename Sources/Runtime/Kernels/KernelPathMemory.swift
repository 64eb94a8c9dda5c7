import CKernels
import Foundation
import ModelFiles
import Support

/// Remembers the paths that were measured, in a file for each model of processor. The worst that its content can do is
/// to choose a slower path: a path is taken only where this processor has it and it passes its self-test.
package struct KernelPathMemory: Sendable {
  /// The folder with the file.
  let folder: String
  let processor: String
  /// What tells this program's file from others: one that was built anew may have faster kernels.
  let program: String

  /// Choices are measured again after so many seconds, because a busy machine may have misled the measurement.
  static let lifetime = 7 * 24 * 3600.0
  static let maximumBytes = 1 << 16

  package init(
    folder: String, processor: String = KernelPathMemory.processor, program: String = KernelPathMemory.program
  ) {
    self.folder = folder
    self.processor = processor
    self.program = program
  }

  /// In the user's cache; nil for a user without one.
  package init?(environment: [String: String]) {
    let cache = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 + "/.cache" : nil }
    guard let base = cache ?? home else { return nil }
    self.init(folder: base + "/tina")
  }

  /// A new version, other instructions or another usual path begin anew.
  var path: String {
    let usual = unsafe String(cString: tk_isa())
    let key = Digest.text(of: [tinaVersion, usual, processor])
    return folder + "/kernel-paths-\(key.prefix(16)).json"
  }

  /// The paths by kind. Empty where there is no file, or where it is old, damaged, another user's or program's.
  func read() -> [String: [String]] {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard file >= 0 else { return [:] }
    defer { close(file) }
    var info = stat()
    guard unsafe fstat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_uid == geteuid(),
      info.st_size <= Self.maximumBytes
    else { return [:] }
    let age = Date().timeIntervalSince1970 - Double(info.modified)
    guard (-60...Self.lifetime).contains(age) else { return [:] }
    var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
    guard count == bytes.count, let object = try? JSON.parse(bytes, file: path).object,
      object["program"]?.string == program
    else { return [:] }
    var result: [String: [String]] = [:]
    guard let paths = object["paths"]?.object else { return [:] }
    for (kind, value) in paths.members {
      let names = (value.array ?? []).compactMap(\.string)
      guard names.count == Int(TK_SIZES), names.allSatisfy({ $0.utf8.count <= 16 }) else { continue }
      result[kind] = names
    }
    return result
  }

  /// Keeps paths by kind. A folder that cannot be written to is no error: the next process measures again.
  func write(_ paths: [String: [String]]) {
    let url = URL(fileURLWithPath: folder)
    try? FileManager.default.createDirectory(
      at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var info = stat()
    guard unsafe lstat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR, info.st_uid == geteuid(),
      info.st_mode & 0o022 == 0
    else { return }
    let members = paths.sorted { $0.key < $1.key }.map {
      (key: $0.key, value: JSONValue.array($0.value.map { .string($0) }))
    }
    let name = processor.split(separator: "; ").first { $0.hasPrefix("model name") } ?? processor.prefix(80)
    let object = JSONObject([
      ("processor", .string(String(name))), ("version", .string(tinaVersion)), ("program", .string(program)),
      ("paths", .object(JSONObject(members))),
    ])
    try? Data(JSONValue.object(object).text().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The size of this program's file and when it was changed.
  package static let program: String = {
    var info = stat()
    guard let path = Bundle.main.executablePath, unsafe stat(path, &info) == 0 else { return "" }
    return "\(info.st_size) bytes of \(info.modified)"
  }()

  /// What tells this processor's model and instructions from others.
  package static let processor: String = {
    #if canImport(Darwin)
      var length = 256
      var text = [CChar](repeating: 0, count: length)
      guard unsafe sysctlbyname("machdep.cpu.brand_string", &text, &length, nil, 0) == 0 else { return "" }
      return unsafe String(cString: text)
    #else
      guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return "" }
      let keys = [
        "vendor_id", "cpu family", "model", "model name", "stepping", "flags", "CPU implementer",
        "CPU variant",
        "CPU part", "CPU revision", "Features",
      ]
      // All processors, because those of one machine may differ. Equal ones count once.
      let lines = text.split(separator: "\n").filter { line in
        keys.contains(line.prefix { $0 != ":" }.trimmingCharacters(in: .whitespaces))
      }
      return Set(lines).sorted().joined(separator: "; ")
    #endif
  }()
}

extension stat {
  /// When the file was changed last, in seconds since 1970.
  fileprivate var modified: Int {
    #if canImport(Darwin)
      st_mtimespec.tv_sec
    #else
      st_mtim.tv_sec
    #endif
  }
}
