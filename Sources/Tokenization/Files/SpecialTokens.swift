import Foundation
import ModelFiles

extension Tokenizer {
  /// The text of the token that begins a conversation; empty if the model names none.
  ///
  /// A GGUF file names it by its id, a directory in `tokenizer_config.json`. The id in `config.json` does not count:
  /// that of DeepSeek-R1-Distill-Qwen-1.5B is another token's.
  ///
  /// - Parameter path: a model's directory or GGUF file.
  /// - Throws: `TokenizationError` for a damaged file.
  public static func bosToken(path: String) throws(TokenizationError) -> String {
    if let file = try ggufFile(path) {
      guard let id = file["tokenizer.ggml.bos_token_id"]?.integer,
        let tokens = file["tokenizer.ggml.tokens"]?.array, tokens.indices.contains(id)
      else { return "" }
      return tokens[id].text ?? ""
    }
    do throws(ModelFilesError) {
      return specialToken("bos", try tokenizerConfig(path)) ?? ""
    } catch { throw .file(error) }
  }
}

/// What a directory's `tokenizer_config.json` holds; nil if there is no such file.
func tokenizerConfig(_ directory: String) throws(ModelFilesError) -> JSONObject? {
  let path = directory + "/tokenizer_config.json"
  return FileManager.default.fileExists(atPath: path) ? try JSON.parse(path: path).object : nil
}

/// The text of `bos`, `eos`, `unk` or `pad` in a `tokenizer_config.json`.
func specialToken(_ name: String, _ config: JSONObject?) -> String? {
  let entry = config?[name + "_token"]
  return entry?.string ?? entry?.object?["content"]?.string
}
