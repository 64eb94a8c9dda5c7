import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import Testing

@testable import TinaRuntime

/// Contract 4: the logits of a position depend on the weights, the adapter and the tokens before it, and on
/// nothing else, bit for bit.
@Suite struct OneOrderOfSummationTests {
  static let models: [(model: String, adapter: String)] = {
    var all = [
      (fixture("tiny-f32"), fixture("adapter-all-r4")), (fixture("tiny-bf16"), fixture("adapter-all-r4")),
      (fixture("tiny-f16"), fixture("adapter-all-r4")),
    ]
    if FileManager.default.fileExists(atPath: pico + "/adapter") { all.append((pico, pico + "/adapter")) }
    return all
  }()

  @Test(arguments: models)
  func alonesAndBatchesAgree(paths: (model: String, adapter: String)) throws {
    let model = try Model(path: paths.model, threads: 2)
    let adapter = try AttachedAdapter(Adapter(path: paths.adapter), to: model)
    let sequences = (0..<17).map { someTokens(5 + 3 * $0, below: model.config.vocabSize, seed: UInt64($0)) }
    let adapters = (0..<17).map { $0 % 3 == 1 ? nil : adapter }
    let alone = zip(sequences, adapters).map { batchedLogits(model, [$0], adapters: [$1], chunk: 64)[0] }
    for size in [1, 3, 8, 17] {
      let together = batchedLogits(
        model, Array(sequences.prefix(size)), adapters: Array(adapters.prefix(size)), chunk: 16)
      for i in 0..<size { #expect(sameBits(together[i], alone[i]), "row \(i) of a batch of \(size)") }
    }
  }

  @Test(arguments: models)
  func chunksOfThePromptAgree(paths: (model: String, adapter: String)) throws {
    let model = try Model(path: paths.model, threads: 2)
    let adapter = try AttachedAdapter(Adapter(path: paths.adapter), to: model)
    let tokens = someTokens(100, below: model.config.vocabSize)
    for attached in [nil, adapter] {
      let whole = batchedLogits(model, [tokens], adapters: [attached], chunk: 1000)[0]
      for chunk in [1, 7, 64] {
        let pieces = batchedLogits(model, [tokens], adapters: [attached], chunk: chunk)[0]
        #expect(sameBits(pieces, whole), "pieces of \(chunk)")
      }
    }
  }

  @Test(arguments: models)
  func threadsAgree(paths: (model: String, adapter: String)) throws {
    var results: [[Float]] = []
    for threads in [1, 2, 3] {
      let model = try Model(path: paths.model, threads: threads)
      let adapter = try AttachedAdapter(Adapter(path: paths.adapter), to: model)
      let tokens = someTokens(40, below: model.config.vocabSize)
      results.append(batchedLogits(model, [tokens], adapters: [adapter], chunk: 64)[0])
    }
    #expect(sameBits(results[0], results[1]))
    #expect(sameBits(results[0], results[2]))
  }

  /// Changes the process's path of instructions, which every other path equals, so other tests may go on.
  @Test(arguments: models)
  func instructionSetsAgree(paths: (model: String, adapter: String)) throws {
    let model = try Model(path: paths.model, threads: 2)
    let tokens = someTokens(24, below: model.config.vocabSize)
    let best = unsafe String(cString: tk_isa())
    let fast = batchedLogits(model, [tokens], adapters: [nil], chunk: 64)[0]
    #expect(unsafe tk_isa_select("portable"))
    let portable = batchedLogits(model, [tokens], adapters: [nil], chunk: 64)[0]
    #expect(unsafe tk_isa_select(best))
    #expect(sameBits(fast, portable), "\(best) against portable")
  }
}
