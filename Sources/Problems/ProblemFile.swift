import ModelFiles
import Support

/// Problems from JSON lines or a JSON array, in the layouts of mathematical benchmarks and training sets.
public struct ProblemFile: Sendable {
  /// What the problems are read for.
  public enum Purpose: Sendable {
    /// Every problem needs an answer, and an id of its own.
    case evaluation
    /// Answers may be missing: some rewards need none.
    case training
  }

  /// The problems, in the order of the file.
  public let problems: [Problem]
  /// The SHA-256 of the file's bytes, in hexadecimal.
  public let digest: String

  /// Reads a file.
  ///
  /// - The question is `problem`, `question`, `prompt` or `messages`: a text, or a conversation. Its system message
  ///   becomes the problem's, and the user's last message is the question. A reply behind it is a worked solution.
  /// - The answer is `answer`, `final_answer`, `gold` or `target` (a text, a number or a list of them), or
  ///   II-Thought's `verification_info`, or what the last `\boxed{}` of `solution` holds, or all of `solution`.
  ///   GSM8K's `… #### 18` gives 18.
  /// - The id is `id`, `unique_id` or `idx`, or else the place in the file.
  ///
  /// - Parameter keepsColumns: whether problems keep all members of their records, for graders and rewards of one's
  ///   own.
  /// - Throws: `ProblemError` naming the record.
  public init(_ path: String, for purpose: Purpose, keepsColumns: Bool = false) throws(ProblemError) {
    let bytes = try Self.contents(path)
    digest = hexadecimal(Digest.sha256(bytes))
    var problems: [Problem] = []
    var ids: Set<[UInt8]> = []
    for record in try Self.records(bytes, path) {
      var problem = try record.problem(index: problems.count)
      if keepsColumns { problem.columns = record.value.object }
      if purpose == .evaluation {
        guard problem.answer != nil else {
          throw record.error(
            "no answer (the members are \(record.members))", "\"answer\", or a \"solution\" that ends in it")
        }
        guard ids.insert(Array(problem.id.utf8)).inserted else {
          throw record.error("the id \(quoted(problem.id)) a second time", "every id once")
        }
      }
      problems.append(problem)
    }
    guard !problems.isEmpty else {
      throw ProblemError(path, "", found: "no problems", expected: "JSON lines or a JSON array of them")
    }
    self.problems = problems
  }

  /// A file's bytes.
  static func contents(_ path: String) throws(ProblemError) -> [UInt8] {
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

  static func records(_ bytes: [UInt8], _ path: String) throws(ProblemError) -> [ProblemRecord] {
    if bytes.starts(with: Array("PAR1".utf8)) {
      throw ProblemError(
        path, "", found: "a Parquet file", expected: "JSON lines or a JSON array",
        remedy: "Convert it: python3 -c \"import pandas, sys; pandas.read_parquet(sys.argv[1]).to_json("
          + "sys.argv[2], orient='records', lines=True, force_ascii=False)\" IN.parquet OUT.jsonl")
    }
    if let table = ForeignFormat(unsafe bytes.span.bytes), case .table = table {
      throw ProblemError(
        path, "", found: table.found(byteCount: bytes.count), expected: "JSON lines or a JSON array",
        remedy: table.advice)
    }
    func parsed(_ text: [UInt8], _ place: String) throws(ProblemError) -> JSONValue {
      do throws(ModelFilesError) {
        return try JSON.parse(text, file: path, rules: .records)
      } catch {
        throw ProblemError(path, place, found: error.found, expected: "a JSON object")
      }
    }
    let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    if text.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "[") {
      return (try parsed(bytes, "record 1").array ?? []).enumerated().map { index, value in
        ProblemRecord(file: path, place: "record \(index + 1)", value: value)
      }
    }
    var records: [ProblemRecord] = []
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where line.contains(where: { !" \t\r".utf8.contains($0) }) {
      let place = "record \(records.count + 1), line \(index + 1)"
      records.append(ProblemRecord(file: path, place: place, value: try parsed(Array(line), place)))
    }
    return records
  }

  /// Problems as JSON lines, in the layout that ``init(_:for:)`` reads back; worked solutions are left out. Columns
  /// that were kept are one member, `columns`.
  public static func lines(_ problems: [Problem]) -> String {
    problems.map { problem in
      var members: [(String, JSONValue)] = [("id", .string(problem.id))]
      if let system = problem.system { members.append(("system", .string(system))) }
      if problem.earlier.isEmpty {
        members.append(("problem", .string(problem.text)))
      } else {
        let turns = problem.earlier + [Problem.Turn(isUser: true, text: problem.text)]
        members.append(
          (
            "messages",
            .array(
              turns.map {
                .object(
                  JSONObject([
                    ("role", .string($0.isUser ? "user" : "assistant")), ("content", .string($0.text)),
                  ]))
              })
          ))
      }
      if let answer = problem.answer { members.append(("answer", .string(answer))) }
      if let columns = problem.columns { members.append(("columns", .object(columns))) }
      return JSONValue.object(JSONObject(members)).text() + "\n"
    }.joined()
  }
}
