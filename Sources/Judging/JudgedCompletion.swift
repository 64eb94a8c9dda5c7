public import ModelFiles

/// A completion to judge, and what it answers.
public struct JudgedCompletion: Sendable {
  /// What was asked, without the template.
  public let prompt: String
  /// The model's text.
  public let completion: String
  /// The right answer; nil if the data has none.
  public let answer: String?
  /// `stop` or `length`.
  public let finishReason: String
  /// Number of tokens drawn.
  public let tokens: Int
  /// All members of the problem's record; nil if it was not kept.
  public let columns: JSONObject?

  /// Makes a completion.
  public init(
    prompt: String, completion: String, answer: String?, finishReason: String, tokens: Int,
    columns: JSONObject?
  ) {
    self.prompt = prompt
    self.completion = completion
    self.answer = answer
    self.finishReason = finishReason
    self.tokens = tokens
    self.columns = columns
  }

  /// Its own members, then the record's. A member of the record that has the name of an earlier one is
  /// `record_NAME`. Numbers that JSON lacks become null.
  var object: JSONObject {
    var members: [(key: String, value: JSONValue)] = [
      ("prompt", .string(prompt)), ("completion", .string(completion)),
      ("answer", answer.map { .string($0) } ?? .null), ("finish_reason", .string(finishReason)),
      ("tokens", JSONValue(tokens)),
    ]
    guard let columns else { return JSONObject(members) }
    let own = members.map { Array($0.key.utf8) }
    for (key, value) in columns.members {
      var name = key
      if own.contains(Array(key.utf8)) {
        repeat { name = "record_" + name } while columns[name] != nil
      }
      members.append((name, value.finite))
    }
    return JSONObject(members)
  }
}

/// Completions that a command judges at once.
struct JudgeBatch {
  let number: Int
  let completions: [JudgedCompletion]

  /// As the command reads it: one line, with its end.
  var line: [UInt8] {
    let object = JSONObject([
      ("batch", JSONValue(number)), ("completions", .array(completions.map { .object($0.object) })),
    ])
    return Array((JSONValue.object(object).text() + "\n").utf8)
  }

  /// Bytes of an answer at most: room for every number in any form.
  var replyLimit: Int { 1024 + 64 * completions.count }
}
