import Foundation
import ModelFiles

extension Tokenizer {
  /// The text of the token that ends a text; empty if the model names none.
  ///
  /// - Parameter path: a model's directory or GGUF file.
  /// - Throws: `TokenizationError` for a damaged file.
  package static func eosToken(path: String) throws(TokenizationError) -> String {
    if let file = try ggufFile(path) {
      guard let id = file["tokenizer.ggml.eos_token_id"]?.integer,
        let tokens = file["tokenizer.ggml.tokens"]?.array, tokens.indices.contains(id)
      else { return "" }
      return tokens[id].text ?? ""
    }
    do throws(ModelFilesError) {
      return specialToken("eos", try tokenizerConfig(path)) ?? ""
    } catch { throw .file(error) }
  }
}
