import Foundation
import Support

/// The end tokens that a directory's tokenizer names. Tunings often change them there and leave the other
/// configurations as they were.
enum TokenizerEnd {
  /// The id of `eos_token` in `tokenizer_config.json`, and the ends of turns that the chat template writes; none if the
  /// files do not tell, or can't be read, which whoever opens the tokenizer says.
  static func ids(directory: String) -> [Int] {
    let config = object(directory + "/tokenizer_config.json")
    let name = (config?["eos_token"]?.string ?? config?["eos_token"]?.object?["content"]?.string)
      .map { Array($0.utf8) }
    let template = template(directory, config)
    if name == nil, template == nil { return [] }
    let added = added(directory, config, besides: name)
    var ids = [added.first { $0.text == name }?.id].compactMap(\.self)
    guard let template else { return ids }
    var known: Set<[UInt8]> = []
    for token in added where GGUFEndTokens.isEnd(token.text, isControl: token.isSpecial) {
      guard known.insert(token.text).inserted, !ids.contains(token.id) else { continue }
      let isWritten = template.firstRange(ofBytes: String(decoding: token.text, as: UTF8.self)) != nil
      if isWritten { ids.append(token.id) }
    }
    return ids
  }

  private struct Token {
    var id: Int
    var text: [UInt8]
    var isSpecial = false
  }

  private static func object(_ path: String) -> JSONObject? {
    FileManager.default.fileExists(atPath: path) ? try? JSON.object(path: path) : nil
  }

  /// The source of the chat template, nil if there is none.
  private static func template(_ directory: String, _ config: JSONObject?) -> String? {
    let path = directory + "/chat_template.jinja"
    if FileManager.default.fileExists(atPath: path), let file = try? MappedFile(path: path) {
      return String(decoding: file.copy(0..<file.byteCount), as: UTF8.self)
    }
    return config?.chatTemplate
  }

  /// The added tokens of `tokenizer_config.json`, and those of `tokenizer.json` where there are none, or not `name`.
  private static func added(_ directory: String, _ config: JSONObject?, besides name: [UInt8]?) -> [Token] {
    var tokens: [Token] = []
    if let decoder = config?["added_tokens_decoder"]?.object {
      for (key, value) in decoder.members {
        guard let id = Int(key), id >= 0, let text = value.object?["content"]?.string else { continue }
        let isSpecial = value.object?["special"]?.bool ?? false
        tokens.append(Token(id: id, text: Array(text.utf8), isSpecial: isSpecial))
      }
    }
    let path = directory + "/tokenizer.json"
    guard tokens.isEmpty || name.map({ name in !tokens.contains { $0.text == name } }) == true,
      FileManager.default.fileExists(atPath: path), let own = try? added(path)
    else { return tokens }
    return tokens + own
  }

  /// The added tokens of `tokenizer.json`; the vocabulary behind them is not read.
  private static func added(_ path: String) throws(ModelFilesError) -> [Token] {
    let file = try MappedFile(path: path)
    var reader = try JSONReader(file.copy(0..<file.byteCount), file: path)
    var tokens: [Token] = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard reader.decoded(key) == "added_tokens" else {
        try reader.skip()
        continue
      }
      try reader.beginArray()
      while try reader.nextElement() {
        var token = Token(id: -1, text: [])
        try reader.beginObject()
        while let key = try reader.nextKey() {
          switch reader.decoded(key) {
          case "id": token.id = try reader.integer()
          case "content": token.text = try reader.stringBytes()
          case "special": token.isSpecial = try reader.bool()
          default: try reader.skip()
          }
        }
        if token.id >= 0 { tokens.append(token) }
      }
      return tokens
    }
    return tokens
  }
}

extension JSONObject {
  /// The chat template in a `tokenizer_config.json`: a string, or the one named "default" in a list.
  package var chatTemplate: String? {
    let value = self["chat_template"]
    if let text = value?.string { return text }
    return value?.array?.first { $0.object?["name"]?.word == "default" }?.object?["template"]?.string
  }
}
