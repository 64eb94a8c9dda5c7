import ArgumentParser
import Foundation
import ModelFiles
import TinaRuntime

/// For checks against other implementations: the raw numbers.
struct Logits: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes the logits of given token ids as a safetensors file, for checking numbers.",
    discussion: """
      The file of ids holds {"tokens": [..]}. The result holds one float32 tensor "logits" of shape \
      [tokens, vocabulary].

      EXAMPLES:
        tina logits ~/models/DeepSeek-R1-Distill-Qwen-1.5B --ids ids.json --out logits.safetensors
      """,
    shouldDisplay: false)

  @Argument(help: "A model directory or a name on the hub; Pico unless given.", completion: .model)
  var model: String?

  @Option(help: "JSON file with the token ids.", completion: .lines)
  var ids: String

  @Option(help: "The safetensors file to write.", completion: .file())
  var out: String

  @Option(help: "Tokens computed at once.")
  var chunk = 64

  @OptionGroup var adapter: AdapterOptions
  @OptionGroup(title: "Computing") var compute: ComputeOptions

  func run() async throws {
    let value = try JSON.parse(path: ids)
    guard let tokens = value.object?["tokens"]?.array?.map(\.int), !tokens.contains(nil) else {
      throw ValidationError("\(ids): found \(value.summary), expected {\"tokens\": [ids]}.")
    }
    let path = try ModelLocator.path(model, for: adapter.sources)
    let (model, attached) = try adapter.place(on: compute.model(path, activations: .int8))
    let logits = try compute.engine(model).logits(
      tokens: tokens.compactMap { $0 }, adapter: attached, chunk: chunk)
    let shape = "[\(tokens.count),\(model.config.vocabSize)]"
    var header = #"{"logits":{"dtype":"F32","shape":\#(shape),"data_offsets":[0,\#(logits.count * 4)]}}"#
    header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    let file = try FileWriter(path: expandingTilde(out))
    try file.write((0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) })
    try file.write(Array(header.utf8))
    try unsafe file.write(logits.span.bytes)
    try file.finish()
  }
}
