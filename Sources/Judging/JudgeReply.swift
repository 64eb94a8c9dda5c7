import ModelFiles

/// Reads a command's answer to a batch, which is trusted as little as a file.
package enum JudgeReply {
  /// Rewards beyond this would make sums of them infinite.
  static let largest = 1e12

  /// The value of each completion, nil where the command leaves it out.
  ///
  /// - Parameters:
  ///   - line: what the command wrote, without the line's end.
  ///   - batch: the number of the batch that it was asked.
  ///   - count: the number of its completions.
  /// - Throws: ``JudgeError`` for anything but one finite number, truth value or null for each completion.
  package static func values(_ line: [UInt8], batch: Int, count: Int) throws(JudgeError) -> [Double?] {
    let shape = "{\"batch\": \(batch), \"values\": [\(count) numbers]}"
    func bad(_ found: String, _ expected: String = "") -> JudgeError {
      JudgeError(
        .reply, place: "batch \(batch)", found: found, expected: expected.isEmpty ? shape : expected,
        advice: "Standard output is for answers, one line a batch; anything else goes to standard error.")
    }
    var rules = JSONRules()
    rules.readsNonFinite = true
    rules.valueLimit = count + 64
    let parsed: JSONValue
    do throws(ModelFilesError) {
      parsed = try JSON.parse(line, file: "", rules: rules)
    } catch {
      let text = String(decoding: line.prefix(200), as: UTF8.self)
      throw bad("\(quoted(text)) (\(error.place): \(error.found))")
    }
    guard let object = parsed.object else { throw bad(parsed.summary) }
    if let other = object.keys.first(where: { !["batch", "values"].contains($0) }) {
      throw bad("the member \(quoted(other))")
    }
    guard object["batch"]?.int == batch else {
      throw bad("an answer to batch \(object["batch"]?.summary ?? "nothing")", "one to batch \(batch)")
    }
    guard let values = object["values"]?.array else {
      throw bad("\(object["values"]?.summary ?? "nothing") as values")
    }
    guard values.count == count else { throw bad("\(values.count) values", "\(count), one a completion") }
    var result: [Double?] = []
    for (index, value) in values.enumerated() {
      if value.isNull {
        result.append(nil)
      } else if let flag = value.bool {
        result.append(flag ? 1 : 0)
      } else if let number = value.double, abs(number) <= largest {
        result.append(number)
      } else {
        throw bad(
          "\(value.summary) for completion \(index + 1)", "a finite number up to 1e12, true, false or null")
      }
    }
    return result
  }
}
