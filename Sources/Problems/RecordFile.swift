import ModelFiles
import Support

/// The records of a file: JSON lines, a JSON array, or a table (CSV) whose fields become texts.
struct RecordFile {
  let records: [ProblemRecord]
  /// The SHA-256 of the file's bytes, in hexadecimal.
  let digest: String

  /// - Parameter names: the members that a recipe names.
  /// - Throws: `ProblemError` naming the record, or line and column.
  init(_ path: String, _ names: DataColumns) throws(ProblemError) {
    let bytes = try Self.contents(path)
    digest = hexadecimal(Digest.sha256(bytes))
    records = try Self.records(bytes, path, names)
  }

  /// A file's bytes.
  private static func contents(_ path: String) throws(ProblemError) -> [UInt8] {
    let file: MappedFile
    do throws(ModelFilesError) {
      file = try MappedFile(path: path)
    } catch {
      throw ProblemError(path, "", found: error.found, expected: "a readable file of problems")
    }
    guard file.byteCount <= 1 << 31 else {
      throw ProblemError(path, "", found: "\(file.byteCount) bytes", expected: "at most 2 GiB")
    }
    return file.copy(0..<file.byteCount)
  }

  private static func records(
    _ bytes: [UInt8], _ path: String, _ names: DataColumns
  ) throws(ProblemError) -> [ProblemRecord] {
    if bytes.starts(with: Array("PAR1".utf8)) {
      throw ProblemError(
        path, "", found: "a Parquet file", expected: "JSON lines, a JSON array or CSV",
        remedy: conversion("it"))
    }
    let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    let first = text.first { !" \t\r\n".utf8.contains($0) }
    if first != UInt8(ascii: "{"), first != UInt8(ascii: "["), let isTabbed = tabs(bytes, path) {
      return try table(text, path, names, isTabbed: isTabbed)
    }
    if first == UInt8(ascii: "[") {
      return (try parsed(bytes, path, "record 1").array ?? []).enumerated().map { index, value in
        ProblemRecord(file: path, place: "record \(index + 1)", value: value, names: names)
      }
    }
    var records: [ProblemRecord] = []
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where line.contains(where: { !" \t\r".utf8.contains($0) }) {
      let place = "record \(records.count + 1), line \(index + 1)"
      records.append(
        ProblemRecord(
          file: path, place: place, value: try parsed(Array(line), path, place), names: names))
    }
    return records
  }

  /// What to do with a Parquet file.
  static func conversion(_ what: String) -> String {
    "Convert \(what): python3 -c \"import pandas, sys; pandas.read_parquet(sys.argv[1]).to_json("
      + "sys.argv[2], orient='records', lines=True, force_ascii=False)\" IN.parquet OUT.jsonl"
  }

  private static func parsed(
    _ text: [UInt8], _ path: String, _ place: String
  ) throws(ProblemError) -> JSONValue {
    do throws(ModelFilesError) {
      return try JSON.parse(text, file: path, rules: .records)
    } catch {
      throw ProblemError(path, place, found: error.found, expected: "a JSON object")
    }
  }

  // MARK: Tables

  /// Whether the file is a table: nil if not, otherwise whether its name says that tabs divide the fields.
  private static func tabs(_ bytes: [UInt8], _ path: String) -> Bool? {
    let name = path.utf8.suffix(4).map { $0 | 0x20 }
    if name == Array(".tsv".utf8) { return true }
    if name == Array(".csv".utf8) { return false }
    if case .table = ForeignFormat(unsafe bytes.span.bytes) { return false }
    return nil
  }

  private static func table(
    _ text: ArraySlice<UInt8>, _ path: String, _ names: DataColumns, isTabbed: Bool
  ) throws(ProblemError) -> [ProblemRecord] {
    var reader = try CSVReader(text, file: path, isTabbed: isTabbed)
    var records: [ProblemRecord] = []
    while let row = try reader.next() {
      let place = "record \(records.count + 1), line \(row.line)"
      var members: [(key: String, value: JSONValue)] = []
      for (column, field) in zip(reader.columns, row.fields) where !column.isEmpty {
        members.append((column, try value(field, path, "\(place), column \(quoted(column))")))
      }
      records.append(
        ProblemRecord(file: path, place: place, value: .object(JSONObject(members)), names: names))
    }
    return records
  }

  /// A field is a text, unless it holds messages.
  private static func value(
    _ field: String?, _ path: String, _ place: String
  ) throws(ProblemError) -> JSONValue {
    guard let field else { return .null }
    guard isMessages(field) else { return .string(field) }
    do throws(ModelFilesError) {
      return try JSON.parse(Array(field.utf8), file: path, rules: .records)
    } catch {
      throw ProblemError(
        path, place, found: "messages that are no JSON (\(error.found))",
        expected: "[{\"role\": \"user\", \"content\": \"…\"}]",
        remedy: "Write the messages with json.dumps, not as Python prints them; or use JSON lines.")
    }
  }

  /// Whether a text begins as a list of messages does, in JSON or as Python prints it.
  private static func isMessages(_ text: String) -> Bool {
    let start = text.utf8.prefix(64).filter { !" \t\r\n".utf8.contains($0) }
    return ["role", "content", "from", "value"].contains { name in
      start.starts(with: "[{\"\(name)\":".utf8) || start.starts(with: "[{'\(name)':".utf8)
    }
  }
}
