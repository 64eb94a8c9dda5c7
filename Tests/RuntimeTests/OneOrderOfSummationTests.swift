import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// Contract 4: the logits of a position depend on the weights, the adapter and the tokens before it, and on
/// nothing else, bit for bit.
@Suite struct OneOrderOfSummationTests {
  struct Case: Sendable {
    var model: String
    var adapter: String
    var activations = ActivationChoice.int8

    func open(threads: Int) throws -> Model {
      try Model(path: model, threads: threads, activations: activations)
    }
  }

  static let models: [Case] = {
    let adapter = fixture("adapter-all-r4")
    var all = ["tiny-f32", "tiny-bf16", "tiny-f16"].map { Case(model: fixture($0), adapter: adapter) }
    all.append(Case(model: fixture("tiny-bf16"), adapter: adapter, activations: .bf16))
    if FileManager.default.fileExists(atPath: pico + "/adapter") {
      all.append(Case(model: pico, adapter: pico + "/adapter"))
      all.append(Case(model: pico, adapter: pico + "/adapter", activations: .bf16))
    }
    return all
  }()

  @Test(arguments: models)
  func alonesAndBatchesAgree(paths: Case) throws {
    let model = try paths.open(threads: 2)
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
  func chunksOfThePromptAgree(paths: Case) throws {
    let model = try paths.open(threads: 2)
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
  func threadsAgree(paths: Case) throws {
    var results: [[Float]] = []
    for threads in [1, 2, 3] {
      let model = try paths.open(threads: threads)
      let adapter = try AttachedAdapter(Adapter(path: paths.adapter), to: model)
      let tokens = someTokens(40, below: model.config.vocabSize)
      results.append(batchedLogits(model, [tokens], adapters: [adapter], chunk: 64)[0])
    }
    #expect(sameBits(results[0], results[1]))
    #expect(sameBits(results[0], results[2]))
  }

  /// Runs in its own process, because all threads of a process compute on the same path.
  @Test func instructionSetsAgree() async {
    await #expect(processExitsWith: .success) {
      let best = unsafe String(cString: tk_isa())
      for paths in OneOrderOfSummationTests.models {
        let model = try paths.open(threads: 2)
        let tokens = someTokens(24, below: model.config.vocabSize)
        #expect(unsafe tk_isa_select(best))
        let fast = batchedLogits(model, [tokens], adapters: [nil], chunk: 64)[0]
        #expect(unsafe tk_isa_select("portable"))
        let portable = batchedLogits(model, [tokens], adapters: [nil], chunk: 64)[0]
        #expect(sameBits(fast, portable), "\(best) against portable: \(paths)")
      }
    }
  }

  /// Rounding of activations changes results only with the weights that it is for.
  @Test func onlyBF16WeightsMeetInputsOfBF16() throws {
    for (name, differs) in [("tiny-bf16", true), ("tiny-f16", false), ("tiny-f32", false)] {
      let path = fixture(name)
      let tokens = someTokens(24, below: 100)
      let exact = try batchedLogits(Model(path: path, threads: 2), [tokens], adapters: [nil], chunk: 64)[0]
      let rounded = try batchedLogits(
        Model(path: path, threads: 2, activations: .bf16), [tokens], adapters: [nil], chunk: 64)[0]
      #expect(sameBits(exact, rounded) != differs, "\(name)")
      let error = zip(rounded, exact).map { Double(($0 - $1) * ($0 - $1)) }.reduce(0, +)
      let size = exact.map { Double($0 * $0) }.reduce(0, +)
      #expect((error / size).squareRoot() < 0.02, "\(name): \((error / size).squareRoot())")
    }
  }
}
