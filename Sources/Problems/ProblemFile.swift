import ModelFiles
import Support

/// Problems from JSON lines, a JSON array or a table (CSV), in the layouts of benchmarks and training sets.
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
  /// - Parameters:
  ///   - path: the file.
  ///   - purpose: what the problems are read for.
  ///   - names: members of other names.
  ///   - keepsColumns: whether problems keep all members of their records (``Problem/columns``), for graders and
  ///     rewards of one's own.
  /// - Throws: `ProblemError` naming the record, or the line and column of a table.
  public init(
    _ path: String, for purpose: Purpose, names: DataColumns = DataColumns(), keepsColumns: Bool = false
  ) throws(ProblemError) {
    let file = try RecordFile(path, names)
    digest = file.digest
    var problems: [Problem] = []
    var ids: Set<[UInt8]> = []
    for record in file.records {
      var problem = try record.problem(index: problems.count)
      if purpose == .evaluation {
        guard problem.answer != nil else {
          throw record.error(
            "no answer (the members are \(record.members))", "\"answer\", or a \"solution\" that ends in it")
        }
        guard ids.insert(Array(problem.id.utf8)).inserted else {
          throw record.error("the id \(quoted(problem.id)) a second time", "every id once")
        }
      }
      if keepsColumns { problem.columns = try record.columns() }
      problems.append(problem)
    }
    guard !problems.isEmpty else {
      throw ProblemError(
        path, "", found: "no problems", expected: "JSON lines, a JSON array or a table of them")
    }
    self.problems = problems
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
