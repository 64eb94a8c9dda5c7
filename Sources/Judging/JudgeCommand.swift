import Foundation
public import ModelFiles
import Support

/// A program that judges completions, and how long it may take.
public struct JudgeCommand: Sendable, Equatable {
  /// What recipes, metrics and messages call it.
  public let name: String
  /// The program, then its arguments. No shell reads them.
  public let arguments: [String]
  /// Seconds that one batch may take.
  public let timeLimit: Double
  /// How often a process that ends in the middle of a batch is started again for it.
  public let restarts: Int
  /// Completions that an evaluation may ask at once.
  public let batchLimit: Int

  /// Seconds that a batch may be given.
  public static let timeLimits = 0.001...86_400.0
  /// How often a process may be started again for one batch.
  public static let restartCounts = 0...100
  /// What ``batchLimit`` may be.
  public static let batchLimits = 1...4096
  /// Seconds for a batch unless told otherwise.
  public static let usualTimeLimit = 300.0
  /// Restarts for a batch unless told otherwise.
  public static let usualRestarts = 2

  /// Makes a command.
  ///
  /// - Throws: ``JudgeError`` for a name that is none, and arguments that no program can be given.
  public init(
    name: String, _ arguments: [String], timeLimit: Double = usualTimeLimit, restarts: Int = usualRestarts,
    batchLimit: Int = 1
  ) throws(JudgeError) {
    func bad(_ found: String, _ expected: String) -> JudgeError {
      JudgeError(
        .command, place: "command " + printable(name, limit: 64), found: found, expected: expected,
        advice: "No shell reads a command: write the program and each of its arguments as a text of its own.")
    }
    guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
      throw bad("this name", "a name of at most 64 letters, digits and _")
    }
    guard let program = arguments.first, !program.isEmpty else {
      throw bad("no program", "a list of a program and its arguments")
    }
    guard arguments.count <= 1000, arguments.reduce(0, { $0 + $1.utf8.count }) <= 1 << 16 else {
      throw bad("\(arguments.count) arguments", "at most 1000, of 65,536 bytes together")
    }
    guard !arguments.contains(where: { $0.utf8.contains(0) }) else {
      throw bad("a zero byte", "arguments without it")
    }
    guard Self.timeLimits.contains(timeLimit), Self.restartCounts.contains(restarts) else {
      throw bad("\(timeLimit) seconds and \(restarts) restarts", "at most a day, and 0 to 100 restarts")
    }
    guard Self.batchLimits.contains(batchLimit) else {
      throw bad("batches of \(batchLimit)", "1 to \(Self.batchLimits.upperBound) completions")
    }
    self.name = name
    self.arguments = arguments
    self.timeLimit = timeLimit
    self.restarts = restarts
    self.batchLimit = batchLimit
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
      || byte == UInt8(ascii: "_")
  }

  /// The arguments of a command line: those of a JSON list, or else the words between blanks.
  public static func words(_ line: String) throws(JudgeError) -> [String] {
    guard line.utf8.first(where: { $0 != UInt8(ascii: " ") }) == UInt8(ascii: "[") else {
      return line.split(separator: " ").map(String.init)
    }
    let list = (try? JSON.parse(Array(line.utf8), file: ""))?.array
    let texts = list?.compactMap(\.string)
    guard let texts, texts.count == list?.count else {
      throw JudgeError(
        .command, found: quoted(line), expected: "a JSON list of texts, or words between blanks")
    }
    return texts
  }

  /// The file of the program: the path that is given, or the first one in `PATH`.
  ///
  /// - Throws: ``JudgeError`` if there is none that can be run.
  package func program() throws(JudgeError) -> String {
    let given = arguments[0]
    func isProgram(_ path: String) -> Bool {
      var info = stat()
      guard unsafe stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return false }
      return unsafe access(path, X_OK) == 0
    }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let candidates =
      given.utf8.contains(UInt8(ascii: "/")) ? [given] : path.split(separator: ":").map { $0 + "/" + given }
    if let found = candidates.first(where: isProgram) { return found }
    throw JudgeError(
      .command, place: "command " + name, found: "no program " + quoted(given),
      expected: given.utf8.contains(UInt8(ascii: "/")) ? "the path of one" : "one in PATH",
      advice: "Paths are from the working directory. A script needs its interpreter: [python3, judge.py].")
  }

  /// The SHA-256 of each file that the command names, by its argument. A program that is found in `PATH`, and what a
  /// script imports, are not among them.
  package var files: [(argument: String, digest: String)] {
    arguments.enumerated().compactMap { place, argument in
      guard place > 0 || argument.utf8.contains(UInt8(ascii: "/")) else { return nil }
      var info = stat()
      guard unsafe stat(argument, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size <= 256 << 20,
        let bytes = FileManager.default.contents(atPath: argument)
      else { return nil }
      return (argument, hexadecimal(Digest.sha256(Array(bytes))))
    }
  }

  /// What judges, for records of a run: the command, and the digests of the files that it names.
  public var identity: JSONObject {
    JSONObject([
      ("command", .array(arguments.map { .string($0) })),
      ("files", .object(JSONObject(files.map { (key: $0.argument, value: .string($0.digest)) }))),
    ])
  }
}
