import CKernels
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// What activations are rounded to, by choice, weights and processor.
@Suite struct ActivationChoiceTests {
  @Test func onlyTheFastestDependsOnTheProcessor() {
    let blocks: Set<ElementType> = [.q4_K, .q6_K]
    typealias Case = (ActivationChoice, Set<ElementType>, fast: ActivationType, slow: ActivationType)
    let cases: [Case] = [
      (.fastest, [.bf16], .bf16, .f32), (.fastest, [.f16], .f32, .f32), (.fastest, [.f32], .f32, .f32),
      (.fastest, blocks, .int8, .int8), (.fastest, blocks.union([.bf16]), .bf16, .int8),
      (.int8, [.bf16], .f32, .f32), (.int8, blocks, .int8, .int8),
      (.int8, blocks.union([.bf16]), .int8, .int8),
      (.bf16, [.bf16], .bf16, .bf16), (.bf16, [.f16], .f32, .f32), (.bf16, blocks, .int8, .int8),
      (.f32, [.bf16], .f32, .f32), (.f32, blocks, .f32, .f32),
    ]
    for (choice, weights, fast, slow) in cases {
      #expect(ActivationType(choice, for: weights, isBf16Fast: true) == fast, "\(choice) \(weights)")
      #expect(ActivationType(choice, for: weights, isBf16Fast: false) == slow, "\(choice) \(weights)")
    }
  }

  /// A library's user gets the same numbers on every machine unless he asks for others.
  @Test func aModelRoundsNoFloatsUnlessAsked() throws {
    #expect(try Model(path: fixture("tiny-bf16"), threads: 1).activations == .f32)
    #expect(try Model(path: fixture("tiny-f32"), threads: 1, activations: .bf16).activations == .f32)
    let fastest = try Model(path: fixture("tiny-bf16"), threads: 1, activations: .fastest)
    #expect(fastest.activations == (tk_bf16_is_fast() ? .bf16 : .f32))
    let named = try Model(path: fixture("tiny-bf16"), threads: 2, activations: .bf16)
    #expect(named.activations == .bf16)
    let tokens = someTokens(30, below: named.config.vocabSize)
    let reference = try Model(
      path: fixture("tiny-bf16"), threads: 2, activations: fastest.activations == .bf16 ? .bf16 : .f32)
    #expect(
      sameBits(
        batchedLogits(fastest, [tokens], adapters: [nil], chunk: 64)[0],
        batchedLogits(reference, [tokens], adapters: [nil], chunk: 64)[0]))
  }

  /// Where another path is forced, the fastest is that path's.
  @Test func aForcedPathDecides() async {
    await #expect(processExitsWith: .success) {
      for name in ["avx2", "portable", "neon"] where unsafe tk_isa_select(name) {
        #expect(!tk_bf16_is_fast())
        let model = try Model(path: fixture("tiny-bf16"), threads: 1, activations: .fastest)
        #expect(model.activations == .f32, "\(name)")
      }
    }
  }

  /// Keys and values of other activations are other keys and values.
  @Test func cachedPrefixesAreOfTheirActivations() {
    let keys = ActivationType.allCases.map { PrefixKey(nil, $0) }
    #expect(Set(keys).count == ActivationType.allCases.count)
  }
}
