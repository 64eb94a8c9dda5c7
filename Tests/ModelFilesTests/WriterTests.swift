import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("Writers")
struct WriterTests {
  @Test(
    "safetensors are laid out as the format's library does: by type, then by name, header of whole eights")
  func safetensorsLayout() throws {
    let directory = TemporaryFolder()
    let path = directory.path + "/a.safetensors"
    let f32 = Tensor(name: "b", shape: [1], floats: [1])
    let f16 = Tensor(name: "a", shape: [2], floats: [1, 2]).converted(to: .f16)
    try SafetensorsWriter.write([f16, f32, f32.renamed("ä\"")], metadata: [("format", "pt")], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.name) == ["b", "ä\"", "a"] && file.metadata[0].value == "pt")
    #expect(file["a"]?.floats() == [1, 2])
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(bytes[0] % 8 == 0 && bytes.count == 8 + Int(bytes[0]) + Int(bytes[1]) * 256 + 12)
    #expect(throws: ModelFilesError.self) { try SafetensorsWriter.write([f32, f32], to: path) }
    #expect(try SafetensorsFile(path: path).tensors.count == 3)
  }

  @Test("a directory is whole or absent, replaces its like, and spares everything else")
  func directories() throws {
    let folder = TemporaryFolder()
    let path = folder.path + "/out/"
    func fill(_ text: String, finishing: Bool = true) throws {
      let writer = try DirectoryWriter(path: path, names: ["one", "two"])
      for name in ["one", "two"] { try Data(text.utf8).write(to: URL(fileURLWithPath: writer.file(name))) }
      if finishing { try writer.finish() }
    }
    func contents() throws -> [String] {
      try ["one", "two"].map { try String(contentsOfFile: path + $0, encoding: .utf8) }
    }
    try fill("a", finishing: false)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    try fill("b")
    try fill("c")
    try fill("d", finishing: false)
    #expect(try contents() == ["c", "c"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out"])
    try Data().write(to: URL(fileURLWithPath: path + "three"))
    #expect(throws: ModelFilesError.self) { try fill("e") }
    #expect(try contents() == ["c", "c"])
  }

  @Test("every half-precision number survives; rounding is to nearest even")
  func halves() {
    for bits in UInt16.min...UInt16.max {
      let value = float(float16: bits)
      if value.isNaN {
        #expect(float(float16: float16Bits(value)).isNaN)
      } else if float16Bits(value) != bits {
        Issue.record("\(bits)")
      }
      let wide = float(bfloat16: bits)
      if wide.isNaN {
        #expect(float(bfloat16: bfloat16Bits(wide)).isNaN)
      } else if bfloat16Bits(wide) != bits {
        Issue.record("\(bits)")
      }
    }
    let cases: [(Float, UInt16)] = [
      (65519, 0x7bff), (65520, 0x7c00), (1 + 0x1p-11, 0x3c00), (1 + 0x3p-11, 0x3c02), (0x1p-25, 0),
      (0x3p-25, 2),
      (0x1.004p-25, 1), (-0x1p-24, 0x8001), (0x1.ffcp-15, 0x0400), (1e-30, 0), (.infinity, 0x7c00),
    ]
    for (value, bits) in cases { #expect(float16Bits(value) == bits, "\(value)") }
    #expect(bfloat16Bits(1 + 0x1p-8) == 0x3f80 && bfloat16Bits(1 + 0x3p-8) == 0x3f82)
    #expect(bfloat16Bits(.greatestFiniteMagnitude) == 0x7f80)
  }

  @Test("transposing and reordering rows move bits untouched", arguments: [ElementType.f32, .bf16])
  func rearranging(type: ElementType) {
    let tensor = Tensor(name: "t", shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]).converted(to: type)
    #expect(tensor.transposed().floats() == [1, 4, 2, 5, 3, 6] && tensor.transposed().shape == [3, 2])
    #expect(tensor.reorderingRows { 1 - $0 }.floats() == [4, 5, 6, 1, 2, 3])
  }
}
