import ModelFiles
import Tokenization

private let file = MemoryFile("ggufmodel")

/// A GGUF file taken for a whole model: configuration, weights, tokenizer.
func testGGUFModel(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  file.write(UnsafeRawBufferPointer(start: start, count: count))
  if let model = try? StoredModel(path: file.path) {
    let config = model.config
    precondition(config.headCount.isMultiple(of: config.keyValueHeadCount) && config.headDim.isMultiple(of: 2))
    precondition(model.weights["model.embed_tokens.weight"]?.shape.first == config.vocabSize)
    for tensor in model.weights.tensors.values where tensor.elementType.readsAsFloats {
      precondition(tensor.floats().count == tensor.elementCount)
    }
  }
  _ = try? Tokenizer.bosToken(path: file.path)
  if let tokenizer = try? Tokenizer(path: file.path) {
    let ids = tokenizer.encode("a b\u{e9} <x> ab12\n", addSpecialTokens: true)
    precondition(ids.allSatisfy { tokenizer.isKnown($0) })
    _ = tokenizer.decode(ids)
  }
  return 0
}
