import ModelFiles
import TestSupport
import Testing

@Suite("Tensor and MappedFile")
struct TensorTests {
  let directory = TemporaryFolder()

  /// A tensor of 16-bit values, one byte off every alignment.
  private func tensor(_ type: ElementType, _ values: [UInt16]) throws -> Tensor {
    let bytes: [UInt8] = [0xee] + values.flatMap { value in [UInt8(value & 0xff), UInt8(value >> 8)] }
    let map = try MappedFile(path: directory.write("t", bytes))
    return Tensor(
      name: "t", elementType: type, shape: [values.count], file: map, byteRange: 1..<bytes.count)
  }

  #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
    @Test("every half-precision float converts exactly")
    func allHalves() throws {
      let bits = (0...UInt16.max).map { $0 }
      for (half, float) in zip(bits, try tensor(.f16, bits).floats()) {
        let expected = Float(Float16(bitPattern: half))
        if expected.isNaN { #expect(float.isNaN) } else { #expect(float.bitPattern == expected.bitPattern) }
      }
    }
  #endif

  @Test("every bfloat16 is the upper half of its float")
  func allBFloats() throws {
    let bits = (0...UInt16.max).map { $0 }
    let floats = try tensor(.bf16, bits).floats()
    #expect(zip(bits, floats).allSatisfy { $1.bitPattern == UInt32($0) << 16 })
  }

  @Test("an unaligned tensor is read right")
  func unaligned() throws {
    let bytes: [UInt8] = [0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]
    let map = try MappedFile(path: directory.write("u", bytes))
    let tensor = Tensor(name: "u", elementType: .f32, shape: [2], file: map, byteRange: 1..<9)
    #expect(tensor.floats() == [1, -2.5])
  }

  @Test("sizes of all element types")
  func sizes() {
    #expect(ElementType.allCases.filter { !$0.isQuantised }.count == 22)
    #expect(ElementType.f32.byteSize == 4 && ElementType.bf16.byteSize == 2 && ElementType.c64.byteSize == 8)
    #expect(ElementType.f4.bitSize == 4 && ElementType.f6e2m3.bitSize == 6 && ElementType.f8e4m3.bitSize == 8)
  }

  @Test("an empty file maps")
  func emptyFile() throws {
    let map = try MappedFile(path: directory.write("e", ""))
    let count = map.bytes.byteCount
    #expect(map.byteCount == 0 && count == 0 && map.copy(0..<0).isEmpty)
    map.prefetch()
  }

  @Test("bytes are the same whether they were loaded or dropped", arguments: [0, 1, 5000, 300_000])
  func paging(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let map = try MappedFile(path: directory.write("p", bytes))
    map.expectScatteredReads()
    for range in [0..<count, count / 3..<count / 2, count / 2..<count + 10_000, 0..<0] {
      map.load(range)
      #expect(map.copy(0..<count) == bytes)
      map.drop(range)
      #expect(map.copy(0..<count) == bytes)
    }
  }

  @Test("a copy outside the file stops the program")
  func copyOutside() async {
    await #expect(processExitsWith: .failure) {
      let map = try MappedFile(path: TemporaryFolder().write("e", "abc"))
      _ = map.copy(2..<4)
    }
  }

  @Test("a path with a zero byte is no path")
  func zeroInPath() {
    expectFailure(["no such file"], kind: .missing) { () throws(ModelFilesError) in
      try MappedFile(path: directory.write("e", "abc") + "\0x")
    }
  }
}

@Suite("Tensors in memory")
struct OwnedBytesTests {
  @Test("a tensor in memory is aligned, keeps its numbers and has no file")
  func memory() throws {
    let tensor = Tensor(name: "t", shape: [2, 2], floats: [1, -2.5, .infinity, 0x1p-140])
    #expect(tensor.floats() == [1, -2.5, .infinity, 0x1p-140] && tensor.file == nil)
    #expect(unsafe Int(bitPattern: tensor.baseAddress) % OwnedBytes.alignment == 0)
    #expect(tensor.renamed("u").name == "u")
    let copy = OwnedBytes(tensor.bytes)
    let view = Tensor(
      name: "v", elementType: .f32, shape: [1], storage: .memory(copy), byteRange: 4..<8)
    #expect(view.floats() == [-2.5])
  }

  @Test("memory is zero until it is filled, and an error while filling passes through")
  func filling() {
    struct Stop: Error {}
    let bytes = OwnedBytes(byteCount: 5) { (span: inout MutableRawSpan) in
      span.storeBytes(of: UInt8(7), toByteOffset: 2, as: UInt8.self)
    }
    let tensor = Tensor(name: "b", elementType: .u8, shape: [5], memory: bytes)
    let values = unsafe tensor.bytes.withUnsafeBytes { unsafe Array($0) }
    #expect(values == [0, 0, 7, 0, 0])
    #expect(throws: Stop.self) {
      _ = try OwnedBytes(byteCount: 1) { (_: inout MutableRawSpan) throws(Stop) in throw Stop() }
    }
    #expect(OwnedBytes([]).byteCount == 0)
  }
}
