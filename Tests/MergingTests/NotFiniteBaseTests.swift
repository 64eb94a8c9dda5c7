import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// Weights that are not finite go into no output, whatever its type.
@Suite struct NotFiniteBaseTests {
  /// A copy of the tiny model with other bits at the beginning of a tensor.
  private func damaged(_ tensor: String, _ bits: UInt32, in folder: TemporaryFolder) throws -> String {
    let base = folder.path("base")
    try FileManager.default.copyItem(atPath: tiny("tiny-f32"), toPath: base)
    let path = base + "/model.safetensors"
    let range = try #require(try SafetensorsFile(path: path)[tensor]).byteRange
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    for i in 0..<4 { bytes[range.lowerBound + i] = UInt8(truncatingIfNeeded: bits >> (8 * UInt32(i))) }
    try bytes.write(to: URL(fileURLWithPath: path))
    return base
  }

  @Test(arguments: [
    ("model.layers.0.mlp.down_proj.weight", 0x7fc0_0000 as UInt32),
    ("model.embed_tokens.weight", 0x7f80_0000),
    ("model.norm.weight", 0xff80_0000), ("model.layers.0.self_attn.q_proj.bias", 0x7fa0_0001),
  ])
  func noTypeTakesThem(tensor: String, bits: UInt32) async throws {
    let scratch = TemporaryFolder()
    let base = try damaged(tensor, bits, in: scratch)
    for type in [ElementType.f32, .bf16, .f16, nil] {
      do {
        _ = try await merge(base, [(tiny("adapter-all-r4"), 1)], to: scratch.path("out")) {
          $0.elementType = type
        }
        Issue.record("not refused")
      } catch {
        // Attaching sees some of them; merging names the others.
        #expect("\(error)".contains(tensor) || "\(error)".contains("weights are damaged"), "\(error)")
        #expect(!"\(error)".contains("dtype"))
      }
    }
    for type in [GGUFFileType.f32, .bf16, .q8_0] {
      #expect(throws: ModelFilesError.self) {
        try Quantization(Model(path: base, threads: 1), output: scratch.path("out.gguf"), type: type).run()
      }
    }
    #expect(scratch.names == ["base"])
  }

  @Test func theAdviceIsOneThatHelps() {
    let text = { (type: String) in "\(MergeError.notFinite(tensor: "t", count: 1, type: type))" }
    #expect(
      text("F16").contains("f32 or bf16") && !text("BF16").contains("bf16,")
        && !text("F32").contains("f32 or"))
  }
}
