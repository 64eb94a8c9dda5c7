/// The tokens that end an answer, as a GGUF file tells them.
///
/// The format has room for three ids. Models often have more, so that a turn's end is known by its text too, as in
/// llama.cpp.
package enum GGUFEndTokens {
  /// The keys of the ids.
  package static let keys = ["eos", "eot", "eom"].map { "tokenizer.ggml.\($0)_token_id" }
  /// Further ids, where three do not suffice: a key of Tina's own.
  package static let ownKey = "tina.end_token_ids"

  /// The spellings that end a text or a turn wherever they are control tokens.
  private static let texts: Set<[UInt8]> = Set(
    [
      "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>",
      "<end_of_turn>",
      "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<eos>",
      "</s>",
      "<end_of_utterance>", "<｜end▁of▁sentence｜>",
    ].map { Array($0.utf8) })

  /// Whether a token of this spelling ends an answer. `</s>` does where it is a control token: in Gemma's vocabulary it
  /// is HTML's.
  package static func isEnd(_ text: [UInt8], isControl: Bool) -> Bool {
    texts.contains(text) && (isControl || !text.elementsEqual("</s>".utf8))
  }

  /// The ids in a file: those of the keys first.
  static func ids(_ keys: GGUFKeys) throws(ModelFilesError) -> [Int] {
    var ids: [Int] = []
    func add(_ id: Int) { if !ids.contains(id) { ids.append(id) } }
    for key in Self.keys {
      if let id = try keys.integer(key, 0...Int(Int32.max)) { add(id) }
    }
    for id in keys.gguf[ownKey]?.array ?? [] {
      if let id = id.integer, (0...Int(Int32.max)).contains(id) { add(id) }
    }
    guard let tokens = keys.gguf["tokenizer.ggml.tokens"]?.array,
      let types = keys.gguf["tokenizer.ggml.token_type"]?.array
    else { return ids }
    for (id, (token, type)) in zip(tokens, types).enumerated() {
      // 3: a control token, 4: one that the user defined.
      if let type = type.integer, type == 3 || type == 4, case .string(let text) = token,
        isEnd(text, isControl: type == 3)
      {
        add(id)
      }
    }
    return ids
  }
}
