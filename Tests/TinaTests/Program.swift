import Foundation
import Testing

/// The built program, run as a user would run it.
enum Program {
  struct Result {
    let status: Int32
    let output: String
    let errors: String

    /// The lines of standard output as JSON objects.
    func objects() throws -> [[String: Any]] {
      try output.split(separator: "\n").map { line in
        try #require(
          try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "not an object: \(line)")
      }
    }

    func object() throws -> [String: Any] {
      let all = try objects()
      #expect(all.count == 1)
      return try #require(all.first)
    }
  }

  /// The root of the package.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static let pico = root.appending(path: "Models/pico").path
  static let picoIsThere = ["/model.safetensors", "/adapter"].allSatisfy {
    FileManager.default.fileExists(atPath: pico + $0)
  }
  static let picoIsMissing: Comment = "Models/pico or its adapter is not in this checkout"

  /// `tina`, which the build puts beside the test bundle.
  static func url() throws -> URL {
    let folders =
      [Bundle.main.executableURL, Bundle.main.bundleURL].compactMap(\.self)
      + CommandLine.arguments.prefix(1).map { URL(fileURLWithPath: $0) }
      + Bundle.allBundles.map(\.bundleURL)
    for start in folders {
      var folder = start
      for _ in 0..<4 {
        folder.deleteLastPathComponent()
        let candidate = folder.appending(path: "tina")
        let values = try? candidate.resourceValues(forKeys: [.isRegularFileKey, .isExecutableKey])
        if values?.isRegularFile == true, values?.isExecutable == true { return candidate }
      }
    }
    throw NotFound(searched: folders.map(\.path))
  }

  struct NotFound: Error { let searched: [String] }

  /// Runs `tina` with `arguments` in `folder` (an empty one unless given), feeding it `input`.
  static func run(
    _ arguments: [String], input: String = "", in folder: URL? = nil, environment: [String: String] = [:]
  ) throws -> Result {
    let process = Process()
    process.executableURL = try url()
    process.arguments = arguments
    process.currentDirectoryURL = folder ?? FileManager.default.temporaryDirectory
    // No test asks the hub, whatever the names of models that are not there look like.
    process.environment = ProcessInfo.processInfo.environment.merging(["HF_HUB_OFFLINE": "1"]) { $1 }
      .merging(environment) { $1 }
    // Files instead of pipes: no pipe can fill up while nobody reads.
    let scratch = try Scratch()
    let paths = ["in", "out", "err"].map { scratch.path($0) }
    try Data(input.utf8).write(to: URL(fileURLWithPath: paths[0]))
    for path in paths[1...] { try Data().write(to: URL(fileURLWithPath: path)) }
    process.standardInput = FileHandle(forReadingAtPath: paths[0])
    process.standardOutput = FileHandle(forWritingAtPath: paths[1])
    process.standardError = FileHandle(forWritingAtPath: paths[2])
    try process.run()
    process.waitUntilExit()
    return Result(
      status: process.terminationStatus,
      output: String(decoding: try Data(contentsOf: URL(fileURLWithPath: paths[1])), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: URL(fileURLWithPath: paths[2])), as: UTF8.self))
  }
}

/// A folder that is gone after the test.
final class Scratch {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "tina-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }
}
