import ModelFiles
import Support

/// Reads a table of texts as RFC 4180 has it: fields with a separator between, quoted where they hold quotes,
/// separators or line ends. The first line names the columns.
struct CSVReader {
  /// A line of the table, which may go over several lines of the file.
  struct Row {
    /// Where it begins, from 1.
    let line: Int
    /// Nil where nothing stands between two separators.
    let fields: [String?]
  }

  static let maxColumns = 1000
  /// No record needs a longer one; a quote that is never closed makes one.
  static let maxFieldBytes = 1 << 24
  private static let quote = UInt8(ascii: "\"")

  /// What the first line calls the columns.
  private(set) var columns: [String] = []
  private let file: String
  private let bytes: ArraySlice<UInt8>
  private let separator: UInt8
  private var place: Int
  private var line = 1
  private var lineStart: Int

  /// Reads the head.
  ///
  /// - Parameters:
  ///   - bytes: the file, without a byte order mark.
  ///   - isTabbed: whether the file's name says that tabs are between the fields.
  /// - Throws: `ProblemError` naming line and column.
  init(_ bytes: ArraySlice<UInt8>, file: String, isTabbed: Bool) throws(ProblemError) {
    self.bytes = bytes
    self.file = file
    separator = isTabbed ? UInt8(ascii: "\t") : Self.separator(bytes)
    place = bytes.startIndex
    lineStart = place
    guard let head = try row() else {
      throw ProblemError(file, "", found: "no line", expected: "a first line that names the columns")
    }
    guard head.fields.count <= Self.maxColumns else {
      throw ProblemError(
        file, "line \(head.line)", found: "\(head.fields.count) columns",
        expected: "at most \(Self.maxColumns)")
    }
    var names: Set<[UInt8]> = []
    for (index, name) in head.fields.enumerated() {
      guard let name, name.utf8.count <= 1024, name.longMarkRun == nil else {
        // Pandas writes its index into a first column without a name.
        if name == nil, index == 0, head.fields.count > 1 {
          columns.append("")
          continue
        }
        throw ProblemError(
          file, "line \(head.line), field \(index + 1)",
          found: name == nil ? "a column without a name" : "a long name",
          expected: "a name of at most 1024 bytes for every column")
      }
      guard names.insert(Array(name.utf8)).inserted else {
        throw ProblemError(
          file, "line \(head.line), field \(index + 1)", found: "the column \(quoted(name)) a second time",
          expected: "every column once")
      }
      columns.append(name)
    }
  }

  /// The next record; nil at the end.
  ///
  /// - Throws: `ProblemError` naming line and column.
  mutating func next() throws(ProblemError) -> Row? {
    guard let row = try row() else { return nil }
    guard row.fields.count == columns.count else {
      throw ProblemError(
        file, "line \(row.line)", found: "\(row.fields.count) fields",
        expected: "\(columns.count), as many as the first line names",
        remedy: "Put fields that hold a separator or a line end into double quotes.")
    }
    return row
  }

  /// Commas, unless the first line has none and has tabs or semicolons.
  private static func separator(_ bytes: ArraySlice<UInt8>) -> UInt8 {
    var isQuoted = false
    var found: Set<UInt8> = []
    for byte in bytes {
      if byte == quote { isQuoted.toggle() }
      if isQuoted { continue }
      if byte == 0x0A || byte == 0x0D { break }
      found.insert(byte)
    }
    let usual = [UInt8(ascii: ","), UInt8(ascii: "\t"), UInt8(ascii: ";")]
    return usual.first(where: found.contains) ?? usual[0]
  }

  // MARK: Rows and fields

  private mutating func row() throws(ProblemError) -> Row? {
    while place < bytes.endIndex, isLineEnd { endLine() }
    guard place < bytes.endIndex else { return nil }
    let first = line
    var fields: [String?] = []
    while true {
      fields.append(try field())
      guard place < bytes.endIndex, bytes[place] == separator else { break }
      place += 1
      guard fields.count <= Self.maxColumns else {
        throw error("more than \(Self.maxColumns) fields in a line", "fewer")
      }
    }
    if place < bytes.endIndex { endLine() }
    return Row(line: first, fields: fields)
  }

  private mutating func field() throws(ProblemError) -> String? {
    if place < bytes.endIndex, bytes[place] == Self.quote { return try quotedField() }
    let start = place
    while place < bytes.endIndex, bytes[place] != separator, !isLineEnd {
      guard bytes[place] != Self.quote else {
        throw error(
          "a double quote within a field that does not begin with one", "a field in double quotes",
          remedy: "Put the field into double quotes, and write each one within it twice.")
      }
      place += 1
    }
    return place == start ? nil : try text(bytes[start..<place])
  }

  private mutating func quotedField() throws(ProblemError) -> String {
    let start = self
    var content: [UInt8] = []
    place += 1
    while place < bytes.endIndex {
      if bytes[place] == Self.quote {
        place += 1
        guard place < bytes.endIndex, bytes[place] == Self.quote else {
          guard place == bytes.endIndex || bytes[place] == separator || isLineEnd else {
            throw error(
              "more text behind the double quote that closes a field", "a separator or the line's end",
              remedy: "Write a double quote within a quoted field twice.")
          }
          return try start.text(content[...])
        }
      } else if isLineEnd {
        let from = place
        endLine()
        content += bytes[from..<place]
        continue
      }
      content.append(bytes[place])
      place += 1
      guard content.count <= Self.maxFieldBytes else {
        throw start.error(
          "a field of more than \(Self.maxFieldBytes) bytes", "a double quote that closes it earlier")
      }
    }
    throw start.error("a double quote that is never closed", "a double quote at the field's end")
  }

  private func text(_ content: ArraySlice<UInt8>) throws(ProblemError) -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw error("text that is no UTF-8", "a file in UTF-8", remedy: "Save the table as UTF-8.")
    }
    return text
  }

  // MARK: Lines

  private var isLineEnd: Bool { bytes[place] == 0x0A || bytes[place] == 0x0D }

  /// Goes behind a line end: a line feed, a carriage return or both.
  private mutating func endLine() {
    let isReturn = bytes[place] == 0x0D
    place += 1
    if isReturn, place < bytes.endIndex, bytes[place] == 0x0A { place += 1 }
    line += 1
    lineStart = place
  }

  /// An error about what stands here; columns count characters from 1.
  private func error(_ found: String, _ expected: String, remedy: String = "") -> ProblemError {
    let column =
      String(decoding: bytes[lineStart..<place].suffix(1 << 20), as: UTF8.self).unicodeScalars.count + 1
    return ProblemError(
      file, "line \(line), column \(column)", found: found, expected: expected, remedy: remedy)
  }
}
