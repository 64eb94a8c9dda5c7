package import Foundation
import Testing

/// The built program, run as a user runs it.
package enum Program {
  package struct Result {
    package let status: Int32
    package let output: String
    package let errors: String

    /// The lines of standard output as JSON objects.
    package func objects() throws -> [[String: Any]] {
      try output.split(separator: "\n").map { line in
        try #require(
          try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "not an object: \(line)")
      }
    }

    /// The only line of standard output as a JSON object.
    package func object() throws -> [String: Any] {
      let all = try objects()
      #expect(all.count == 1)
      return try #require(all.first)
    }
  }

  struct NotFound: Error { let searched: [String] }

  /// `tina`, which the build puts beside the test bundle.
  private static func executable() throws -> URL {
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

  /// Starts `tina` with `arguments` and throws away what it writes. `fileLimit` is that of ``run``.
  package static func start(
    _ arguments: [String], environment: [String: String] = [:], fileLimit: Int? = nil
  ) throws -> Process {
    let process = Process()
    process.executableURL = try executable()
    process.arguments = arguments
    try limit(process, file: fileLimit, seconds: nil)
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Lets a process write no more than so many KiB into one file, and take no more than so many seconds of a processor.
  private static func limit(_ process: Process, file: Int?, seconds: Int?) throws {
    // The signal is ignored, so that the write fails with an error.
    let size = file.map { "trap '' XFSZ; ulimit -f \($0)" }
    let limits = [size, seconds.map { "ulimit -t \($0)" }].compactMap(\.self)
    if limits.isEmpty { return }
    let arguments = process.arguments ?? []
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    let script = limits.joined(separator: "; ") + "; exec \"$@\""
    process.arguments = ["-c", script, "bash", try executable().path] + arguments
  }

  /// Runs a script of bash in `folder`, in which `"$TINA"` is the program.
  package static func shell(_ script: String, in folder: String? = nil) throws -> Result {
    try run(
      ["-c", script], in: folder, environment: ["TINA": executable().path],
      program: URL(fileURLWithPath: "/bin/bash"))
  }

  /// Runs `tina` with `arguments` in `folder` and feeds it `input`. With a `fileLimit`, in KiB, writing more into one
  /// file fails, as on a full disk; with a `secondLimit`, more processor time ends the program.
  package static func run(
    _ arguments: [String], input: String = "", in folder: String? = nil, environment: [String: String] = [:],
    fileLimit: Int? = nil, secondLimit: Int? = nil, program: URL? = nil
  ) throws -> Result {
    let process = Process()
    process.executableURL = try program ?? executable()
    process.arguments = arguments
    try limit(process, file: fileLimit, seconds: secondLimit)
    process.currentDirectoryURL =
      folder.map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory
    // No test asks the hub, whatever the names of missing models look like, nor reads the settings of who runs it.
    let isolated = ["HF_HUB_OFFLINE": "1", "TINA_CONFIG": ""]
    process.environment = ProcessInfo.processInfo.environment.merging(isolated) { $1 }
      .merging(environment) { $1 }
    // Files instead of pipes: a pipe that nobody reads fills up.
    let files = TemporaryFolder()
    process.standardInput = FileHandle(forReadingAtPath: files.write("in", input))
    process.standardOutput = FileHandle(forWritingAtPath: files.write("out", ""))
    process.standardError = FileHandle(forWritingAtPath: files.write("err", ""))
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: files.path(name))), as: UTF8.self)
    }
    return Result(status: process.terminationStatus, output: try text("out"), errors: try text("err"))
  }
}
