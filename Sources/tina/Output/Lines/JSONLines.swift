import ArgumentParser
import ModelFiles
import Support

/// One line of input: a JSON object, whose errors name the file and the line.
struct JSONLine {
  let number: Int
  /// What errors call this line.
  let place: String
  private let object: JSONObject

  init(_ bytes: [UInt8], number: Int, file: String) throws {
    self.number = number
    place = "\(file), line \(number)"
    let value: JSONValue
    do {
      value = try JSON.parse(bytes, file: place, rules: .records)
    } catch {
      if number == 1, let table = ForeignFormat(unsafe (bytes + [0x0A]).span.bytes), case .table = table {
        throw ModelFilesError(
          .foreignFormat, file: place, found: table.found(byteCount: bytes.count), expected: "a JSON object",
          advice: table.advice)
      }
      // The reader's own advice is about files that were downloaded.
      throw error.restated(error.kind, advice: "Each line is one JSON object.")
    }
    guard let object = value.object else {
      throw ModelFilesError(.malformed, file: place, found: value.summary, expected: "a JSON object")
    }
    self.object = object
  }

  /// Whether the key is there at all, be it null.
  func has(_ key: String) -> Bool { object[key] != nil }

  /// The value under `key`; nil when absent or null.
  subscript(key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func text(_ key: String) throws -> String {
    guard let text = try optionalText(key) else { throw missing(key, "a text") }
    return text
  }

  func optionalText(_ key: String) throws -> String? {
    try read(key, expected: "a text") { $0.string }
  }

  /// The value under `key` as `convert` reads it; nil when absent or null.
  func read<T>(_ key: String, expected: String, _ convert: (JSONValue) -> T?) throws -> T? {
    guard let value = self[key] else { return nil }
    guard let converted = convert(value) else { throw wrong(key, value.summary, expected) }
    return converted
  }

  func missing(_ key: String, _ expected: String) -> ModelFilesError {
    ModelFilesError(
      .malformed, file: place, place: "\"\(key)\"", found: "no such key (the line has \(keys))",
      expected: expected)
  }

  func wrong(_ key: String, _ found: String, _ expected: String) -> ModelFilesError {
    ModelFilesError(.badValue, file: place, place: "\"\(key)\"", found: found, expected: expected)
  }

  private var keys: String {
    object.keys.isEmpty ? "none" : object.keys.prefix(8).map(quoted).joined(separator: ", ")
  }
}

/// What the output holds in place of a line that failed.
struct LineFailure {
  let number: Int
  let message: String

  init(_ error: any Error, number: Int, file: String) {
    self.number = number
    let text = errorText(error)
    let place = "\(file), line \(number)"
    message = text.hasPrefix(place) ? text : "\(place): \(text)"
  }

  var output: JSONValue { .record(["line": .integer(number), "error": .string(message)]) }
}

/// Writes results line by line, and fails at the end if a line failed.
struct LineReport {
  private(set) var failures = 0
  private var done = 0

  mutating func write(_ output: JSONValue) throws {
    done += 1
    try Terminal.writeData(output.line)
    if !Terminal.outputIsTerminal { Terminal.progress("\(done) lines") }
  }

  mutating func write(_ failure: LineFailure) throws {
    failures += 1
    Terminal.progress("")
    Terminal.note("error: " + failure.message)
    try write(failure.output)
  }

  /// - Throws: exit code 1 when a line failed. The messages are written by then.
  func finish() throws {
    Terminal.progress("")
    if failures > 0 { throw ExitCode.failure }
  }
}

extension LineReader {
  /// Writes what `body` makes of each line. A line that fails is reported in its place, and the others go on.
  func forEachLine(_ body: (JSONLine) async throws -> JSONValue) async throws {
    var report = LineReport()
    while let bytes = try next() {
      let output: JSONValue
      do {
        output = try await body(JSONLine(bytes, number: number, file: name))
      } catch {
        try report.write(LineFailure(error, number: number, file: name))
        continue
      }
      try report.write(output)
    }
    try report.finish()
  }
}
