import ModelFiles
import TinaRuntime

extension TinaFields {
  /// What the answer tells besides, under `tina`; nil when nothing was asked for.
  func told(prompt: String?, _ answers: [Answer], text: ([Int]) -> String) -> JSONValue? {
    if parts.isEmpty { return nil }
    var members: [(key: String, value: JSONValue)] = []
    if parts.contains(.prompt) { members.append(("prompt", .string(prompt ?? ""))) }
    let choices = answers.map { answer -> JSONValue in
      var members: [(key: String, value: JSONValue)] = [("tokens", JSONValue(answer.drawn.ids.count))]
      if parts.contains(.text) { members.append(("text", .string(text(answer.drawn.ids)))) }
      if parts.contains(.tokenIDs) {
        members.append(("token_ids", .array(answer.drawn.ids.map { JSONValue($0) })))
      }
      if parts.contains(.logprobs) {
        members.append(("logprobs", .array(answer.drawn.logProbabilities.map(AnswerHead.number))))
        members.append(
          ("tempered_logprobs", .array(answer.drawn.temperedLogProbabilities.map(AnswerHead.number))))
      }
      return .object(JSONObject(members))
    }
    members.append(("choices", .array(choices)))
    return .object(JSONObject(members))
  }
}
