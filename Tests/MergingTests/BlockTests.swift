import CKernels
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Merging

/// Blocks of quantised weights against llama.cpp's own bytes (tools/golden/quantise.py).
@Suite(.serialized) struct BlockTests {
  static let types: [(name: String, type: tk_type)] = [
    ("Q8_0", TK_Q8_0), ("Q4_0", TK_Q4_0), ("Q4_1", TK_Q4_1), ("Q5_0", TK_Q5_0), ("Q5_1", TK_Q5_1),
    ("Q4_K", TK_Q4_K), ("Q5_K", TK_Q5_K), ("Q6_K", TK_Q6_K),
  ]

  private func golden() throws -> SafetensorsFile {
    try SafetensorsFile(
      path: fixture("blocks.safetensors"))
  }

  /// On both paths, in a process of its own: all threads of one compute on the same path.
  @Test func blocksAreThoseOfLlamaCpp() async {
    await #expect(processExitsWith: .success) {
      for (name, type) in BlockTests.types { try BlockTests().compare(name, type) }
    }
  }

  private func compare(_ name: String, _ type: tk_type) throws {
    let golden = try golden()
    let values = try #require(golden["values"]).floats()
    let expected = try #require(golden[name + "/blocks"])
    let best = unsafe String(cString: tk_isa())
    defer { _ = unsafe tk_isa_select(best) }
    for isa in [best, "portable"] {
      let isSelected = unsafe tk_isa_select(isa)
      #expect(isSelected)
      var found = [UInt8](repeating: 0xaa, count: expected.byteRange.count)
      #expect(unsafe tk_quantise(values, values.count, &found, type) == 0)
      #expect(found == expected.storage.copy(expected.byteRange), "\(name), \(isa)")
      guard let read = golden[name + "/values"]?.floats() else { continue }
      var back = [Float](repeating: .nan, count: values.count)
      unsafe tk_dequantise(found, type, &back, values.count)
      #expect(zip(back, read).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(name) read, \(isa)")
      // The other reader of blocks.
      let stored = try #require(ElementType(rawValue: name))
      let first = try #require(GGUFBlock(Array(found.prefix(stored.block.bytes)), stored))
      #expect(first.values == Array(read.prefix(stored.block.elements)))
      #expect(first.widths.count == first.values.count && first.widths.allSatisfy { $0 >= 0 })
    }
  }

  /// What a type can't hold is counted, and its block is zero: never a number that nobody wrote.
  @Test(arguments: types.indices) func numbersThatDoNotFitAreCounted(_ index: Int) throws {
    let type = Self.types[index].type
    let size = tk_block_bytes(type)
    let elements = tk_block_elements(type)
    for (bad, count) in [(Float.nan, 1), (.infinity, 1), (1e30, elements)] {
      var values = [Float](repeating: 0.5, count: 512)
      values[40] = bad
      var blocks = [UInt8](repeating: 0xaa, count: 512 / elements * size)
      #expect(unsafe tk_quantise(values, 512, &blocks, type) == UInt64(count), "\(bad)")
      let damaged = 40 / elements
      #expect(blocks[damaged * size..<(damaged + 1) * size].allSatisfy { $0 == 0 })
      #expect(blocks[(damaged + 1) * size..<(damaged + 2) * size].contains { $0 != 0 })
    }
  }

  /// Which matrix gets which type: the mixture that llama.cpp makes for 28 layers of rows of 1536 and 8960.
  @Test func mixturesAreThoseOfLlamaCpp() {
    func type(_ file: GGUFFileType, _ name: String, _ shape: [Int], layers: Int = 28, tied: Bool = false)
      -> ElementType
    {
      file.type(of: name, shape: shape, layerCount: layers, isTied: tied)
    }
    let six = (0..<28).filter { type(.q4_K_M, "blk.\($0).ffn_down.weight", [1536, 8960]) == .q6_K }
    #expect(six == [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27])
    #expect((0..<28).filter { type(.q5_K_M, "blk.\($0).attn_v.weight", [256, 1536]) == .q6_K } == six)
    #expect(
      (0..<28).filter { type(.q4_K_S, "blk.\($0).attn_v.weight", [256, 1536]) == .q5_K } == [0, 1, 2, 3])
    #expect(
      (0..<28).filter { type(.q4_K_S, "blk.\($0).ffn_down.weight", [1536, 8960]) == .q5_K } == [0, 1, 2])
    #expect(type(.q4_K_M, "blk.0.attn_q.weight", [1536, 1536]) == .q4_K)
    #expect(type(.q4_K_M, "output.weight", [151_936, 1536]) == .q6_K)
    #expect(type(.q4_K_M, "token_embd.weight", [151_936, 1536]) == .q4_K)
    #expect(type(.q4_K_M, "token_embd.weight", [151_936, 1536], tied: true) == .q6_K)
    #expect(type(.q8_0, "output.weight", [151_936, 1536]) == .q8_0)
    // Rows that are no whole number of blocks: the next type that fits, or half precision.
    #expect(type(.q4_K_M, "blk.3.attn_q.weight", [896, 896]) == .q5_0)
    #expect(type(.q5_K_S, "blk.3.attn_q.weight", [896, 896]) == .q5_1)
    #expect(type(.q4_0, "output.weight", [512, 896]) == .q8_0)
    #expect(type(.q8_0, "blk.3.attn_q.weight", [100, 100]) == .f16)
    // Vectors stay exact, whatever the file is called.
    for file in GGUFFileType.allCases {
      #expect(
        type(file, "blk.3.attn_norm.weight", [1536]) == .f32 && type(file, "blk.3.attn_q.bias", [9]) == .f32)
      #expect(GGUFFileType(name: file.rawValue.lowercased()) == file)
    }
    #expect(GGUFFileType(name: "Q3_K_M") == nil)
  }
}
