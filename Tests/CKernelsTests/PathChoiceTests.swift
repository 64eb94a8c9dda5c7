import CKernels
import Foundation
import TestSupport
import Testing

/// Which path of instructions each kind of kernel takes. In processes of their own, because a choice is one for all.
@Suite struct PathChoiceTests {
  static let names = ["avx512", "avxvnni", "avx2", "neon"]
  static let kinds: [UInt8] = [
    0, 1, 2, UInt8(TK_Q8_0.rawValue), UInt8(TK_Q4_K.rawValue), UInt8(TK_Q6_K.rawValue), UInt8(TK_KIND_BF16),
    UInt8(TK_KIND_ATTENTION) + 1,
  ]

  static func name(_ kind: Int, _ size: Int) -> String {
    unsafe String(cString: tk_paths_name(kind, size))
  }
  static func choose(_ kind: Int, _ size: Int, _ name: String) -> Bool {
    unsafe tk_paths_choose(kind, size, name)
  }
  static var usual: String { unsafe String(cString: tk_isa()) }

  /// Results of all kinds of maps for all numbers of inputs, as bits.
  static func results() throws -> [[UInt32]] {
    let pool = unsafe try #require(tk_pool_create(2))
    defer { unsafe tk_pool_destroy(pool) }
    var results: [[UInt32]] = []
    for (type, activations) in [
      (TK_F32, TK_ACTIVATIONS_F32), (TK_F16, TK_ACTIVATIONS_F32), (TK_BF16, TK_ACTIVATIONS_F32),
      (TK_BF16, TK_ACTIVATIONS_BF16), (TK_Q8_0, TK_ACTIVATIONS_INT8), (TK_Q4_K, TK_ACTIVATIONS_INT8),
      (TK_Q6_K, TK_ACTIVATIONS_INT8),
    ] {
      var noise = SeededGenerator(5)
      let (rows, columns) = (40, 512)
      let floats = noise.floats(rows * columns)
      var weights = [UInt8](repeating: 0, count: rows * tk_row_bytes(type, columns))
      _ = unsafe tk_quantise(floats, floats.count, &weights, type)
      for n in [1, 2, 4, 5, 19] {
        results.append(
          bits(
            unsafe multiply(
              pool, weights, type, rows: rows, columns: columns, x: noise.floats(n * columns), n: n,
              activations: activations)))
      }
    }
    return results
  }

  /// Whatever is chosen for each kind and number of inputs, no bit changes.
  @Test func choicesChangeNoBit() async {
    await #expect(processExitsWith: .success) {
      _ = unsafe unsetenv("TINA_ISA")
      let usual = try PathChoiceTests.results()
      var tried = 0
      for name in PathChoiceTests.names where PathChoiceTests.choose(0, 0, name) {
        for kind in PathChoiceTests.kinds {
          for size in 0..<Int(TK_SIZES) {
            #expect(PathChoiceTests.choose(Int(kind), size, name))
            #expect(PathChoiceTests.name(Int(kind), size) == name)
          }
        }
        #expect(try PathChoiceTests.results() == usual, "\(name)")
        tried += 1
      }
      #expect(tried > 0 || PathChoiceTests.usual == "portable")
    }
  }

  /// A measurement ends in time, chooses paths that this processor has, and leaves kinds that nobody asked for.
  @Test func measurementsChooseInTime() async {
    await #expect(processExitsWith: .success) {
      _ = unsafe unsetenv("TINA_ISA")
      let usual = try PathChoiceTests.results()
      let seconds = processorSeconds {
        for kind in PathChoiceTests.kinds { unsafe tk_paths_measure([kind], 1, 0.05) }
      }
      #expect(seconds < 5)
      for kind in PathChoiceTests.kinds {
        for size in 0..<Int(TK_SIZES) {
          let name = PathChoiceTests.name(Int(kind), size)
          #expect(PathChoiceTests.names.contains(name) || name == "portable")
        }
      }
      #expect(!tk_paths_is_chosen(Int(TK_Q5_K.rawValue), 0))
      #expect(try PathChoiceTests.results() == usual)
      // Without time nothing is chosen where there is a choice, and nothing breaks.
      unsafe tk_paths_measure([UInt8(TK_Q5_K.rawValue)], 1, -1)
      // What is no kind is none.
      unsafe tk_paths_measure([200, 255], 2, 1)
      #expect(!tk_paths_is_chosen(200, 0) && !tk_paths_is_chosen(0, 7))
      #expect(!PathChoiceTests.choose(200, 0, "avx2") && !PathChoiceTests.choose(0, 7, "avx2"))
      #expect(!PathChoiceTests.choose(0, 0, "") && !PathChoiceTests.choose(0, 0, "sse9"))
    }
  }

  /// Whoever names a path gets that one everywhere.
  @Test func aForcedPathIsForcedEverywhere() async {
    await #expect(processExitsWith: .success) {
      _ = unsafe unsetenv("TINA_ISA")
      for kind in PathChoiceTests.kinds {
        _ = PathChoiceTests.choose(Int(kind), 0, PathChoiceTests.usual)
      }
      let isSelected = unsafe tk_isa_select("portable")
      #expect(isSelected)
      #expect(tk_paths_forced())
      for kind in PathChoiceTests.kinds {
        #expect(PathChoiceTests.name(Int(kind), 0) == "portable")
        #expect(!PathChoiceTests.choose(Int(kind), 0, "avx2"))
      }
      unsafe tk_paths_measure(PathChoiceTests.kinds, PathChoiceTests.kinds.count, 1)
      #expect(!tk_paths_is_chosen(0, 0))
    }
    await #expect(processExitsWith: .success) {
      _ = unsafe setenv("TINA_ISA", "portable", 1)
      #expect(tk_paths_forced() && !tk_bf16_is_fast())
      #expect(!PathChoiceTests.choose(0, 0, "avx2"))
    }
    // A path that is nowhere forces nothing.
    await #expect(processExitsWith: .success) {
      _ = unsafe setenv("TINA_ISA", "sse9", 1)
      #expect(!tk_paths_forced())
    }
  }

  /// Kinds are told apart as the maps are computed.
  @Test func mapsTellTheirKind() {
    #expect(tk_linear_kind(TK_BF16, TK_ACTIVATIONS_BF16) == Int(TK_KIND_BF16))
    #expect(tk_linear_kind(TK_BF16, TK_ACTIVATIONS_INT8) == Int(TK_BF16.rawValue))
    #expect(tk_linear_kind(TK_Q8_0, TK_ACTIVATIONS_BF16) == Int(TK_Q8_0.rawValue))
    #expect(tk_linear_kind(TK_Q8_0, TK_ACTIVATIONS_F32) == Int(TK_F32.rawValue))
  }
}
