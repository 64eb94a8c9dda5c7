import ArgumentParser
import Foundation
import Merging
import ModelFiles
import TinaRuntime
import Support

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a model as one GGUF file, smaller if asked.",
    usage: "tina quantize <model> <output> --type <type> [<options>]",
    discussion: """
      The model is a Hugging Face directory or a GGUF file. The file holds everything: weights, tokenizer, chat \
      template, sizes; llama.cpp opens it, and tina run, eval, score, serve take it as a MODEL. The blocks are \
      those of llama.cpp, to the byte, and so is the mixture of types under one name. A matrix whose rows are no \
      whole number of blocks gets the next type that fits, as in llama.cpp. The file appears whole or not at all.

      An adapter that was trained on the model is recognised on the quantised file, and stays attached in full \
      precision. Rounding it into a quantised file (tina merge) loses most of a small change.

      TYPES: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_1, Q5_0, Q4_K_M, Q4_K_S, Q4_0.

      EXAMPLES:
        tina quantize Models/pico pico.gguf --type Q8_0
        tina quantize ~/models/R1-Distill-Qwen-1.5B r1.gguf --type Q4_K_M
        tina run r1.gguf --adapter checkpoint-450 "What is 2 + 3?"
      """)

  @Argument(
    help: ArgumentHelp("A Hugging Face directory or a GGUF file.", valueName: "model"), completion: .model)
  var model: String

  @Argument(
    help: ArgumentHelp("The GGUF file to write.", valueName: "output"), completion: .model)
  var output: String

  @Option(
    help: "What the matrices are stored as: Q8_0, Q4_K_M, …",
    completion: .list(GGUFFileType.allCases.map(\.rawValue)))
  var type: String

  @Flag(help: "Round a model a second time that is quantised already.")
  var requantize = false

  @Flag(help: "Replace the output if it is there.")
  var force = false

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func validate() throws {
    _ = try fileType()
    guard output.lowercased().hasSuffix(".gguf") else {
      throw ValidationError("\(output): found another name, expected one that ends in .gguf.")
    }
  }

  private func fileType() throws -> GGUFFileType {
    guard let type = GGUFFileType(name: type) else {
      throw ValidationError(
        "--type: found \(type), expected \(GGUFFileType.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    return type
  }

  func run() throws {
    let source = try Model(path: try ModelLocator.path(model), threads: threads.count)
    var quantization = Quantization(
      source, output: expandingTilde(output), type: try fileType())
    quantization.replacesOutput = force
    quantization.requantises = requantize
    let report = try quantization.run { done, total in
      Terminal.progress("writing \(100 * done / max(total, 1)) %")
    }
    Terminal.progress("")
    if json {
      try Terminal.writeData(report.json.text())
      return
    }
    try Terminal.writeLine(report.summary)
    let seconds = report.writing.inSeconds
    var line = String(
      format: "  written in %.1f s (%.2f GB/s of the model)", seconds,
      Double(report.sourceByteCount) / 1e9 / max(seconds, 1e-9))
    if let memory = report.privateByteCount {
      line += String(format: ", private memory %.0f MB", Double(memory) / 1e6)
    }
    try Terminal.writeLine(line)
  }
}
