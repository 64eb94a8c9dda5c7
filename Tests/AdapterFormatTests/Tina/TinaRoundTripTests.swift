import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

@Suite("The .tina format gives back what it was given")
struct TinaRoundTripTests {
  private let directory = TemporaryFolder()
  private var path: String { directory.path + "/a.tina" }

  @Test("every kind of entry, bit for bit, in both arrangements", arguments: [false, true])
  func kinds(isPlain: Bool) throws {
    var random = SeededGenerator(3)
    let archive = try everyKind(&random)
    var options = TinaOptions()
    options.isPlain = isPlain
    let summary = try TinaWriter.write(archive, to: path, options: options)
    #expect(summary.byteCount == contents(path).count)
    let file = try TinaFile(path: path)
    expectSame(try file.archive(), archive)
    #expect(file.isExact && file.layers.count == 1 && file.fileDigest == summary.fileDigest)
    let report = try TinaFile.verify(path: path)
    #expect(report.isValid && report.contentDigest == summary.contentDigest, "\(report.violations)")
  }

  @Test("every element type, with random bits", arguments: ElementType.allCases.filter { !$0.isQuantised })
  func types(type: ElementType) throws {
    var random = SeededGenerator(UInt64(type.tinaCode))
    var entries: [AdapterEntry] = []
    for (number, shape) in [[8], [0, 4], [3, 1, 40], [1024, 17]].enumerated() {
      entries.append(
        .init(
          module: "m\(number)", path: "", content: .full(randomTensor(type, shape, &random), parameter: "w")))
    }
    for isPlain in [false, true] {
      var options = TinaOptions()
      options.isPlain = isPlain
      try TinaWriter.write(AdapterArchive(entries: entries), to: path, options: options)
      expectSame(try TinaFile(path: path).archive(), AdapterArchive(entries: entries))
      #expect(try TinaFile.verify(path: path).isValid)
    }
  }

  @Test("plain tensors lie at multiples of 64 in the mapped file and are not copied")
  func inPlace() throws {
    var options = TinaOptions()
    options.isPlain = true
    try TinaWriter.write(trainedArchive(), to: path, options: options)
    for tensor in try TinaFile(path: path).archive().entries.flatMap(\.tensors) {
      #expect(tensor.file?.path == path && tensor.byteRange.lowerBound % 64 == 0)
    }
  }

  @Test("ranks 1 and 256, B of zeros, an adapter of nothing")
  func extremes() throws {
    var random = SeededGenerator(9)
    var zero = trainedPair(rank: 256, input: 300, output: 280, &random)
    zero.b = Tensor(name: "b", shape: [280, 256], floats: [Float](repeating: 0, count: 280 * 256))
    let archive = AdapterArchive(entries: [
      pairEntry("a", trainedPair(rank: 1, input: 1, output: 1, &random)),
      pairEntry("b", trainedPair(rank: 256, input: 300, output: 280, &random)), pairEntry("c", zero),
    ])
    for archive in [archive, AdapterArchive(entries: [])] {
      try TinaWriter.write(archive, to: path)
      expectSame(try TinaFile(path: path).archive(), archive)
      #expect(try TinaFile.verify(path: path).isValid)
    }
  }

  @Test("the same input gives the same bytes; the content's digest does not depend on the encoding")
  func canonical() throws {
    let archive = trainedArchive(pairs: 12)
    let first = try TinaWriter.write(archive, to: path)
    let bytes = contents(path)
    var shuffled = archive
    shuffled.entries.reverse()
    let second = try TinaWriter.write(shuffled, to: path)
    #expect(contents(path) == bytes && second.fileDigest == first.fileDigest)
    var options = TinaOptions()
    options.isPlain = true
    let plain = try TinaWriter.write(archive, to: path, options: options)
    #expect(plain.contentDigest == first.contentDigest && plain.fileDigest != first.fileDigest)
    var scaled = archive
    guard case .lowRank(var pair) = scaled.entries[0].content else { return }
    pair.scale = pair.scale.nextUp
    scaled.entries[0].content = .lowRank(pair)
    #expect(try TinaWriter.write(scaled, to: path).contentDigest != first.contentDigest)
  }

  @Test(
    "A as differences from its seeded start, in every float type", arguments: [ElementType.f32, .bf16, .f16])
  func seeded(type: ElementType) throws {
    var random = SeededGenerator(4)
    let module = "layers.0.q_proj"
    let start = SeededInitialization.tensor(seed: 11, module: module, shape: [8, 256], type: type)
    var pair = trainedPair(rank: 8, input: 256, output: 64, &random)
    // The lowest bits differ here and there, as after few steps; one is NaN.
    var moved = tensorBytes(start)
    for i in stride(from: 0, to: moved.count, by: 64) { moved[i] ^= 3 }
    moved.replaceSubrange(0..<type.byteSize, with: [UInt8](repeating: 0xff, count: type.byteSize))
    pair.a = Tensor(name: "a", elementType: type, shape: [8, 256], memory: OwnedBytes(moved))
    let archive = AdapterArchive(entries: [pairEntry(module, pair)])
    let alone = try TinaWriter.write(archive, to: path)
    var options = TinaOptions()
    options.seed = 11
    let seeded = try TinaWriter.write(archive, to: path, options: options)
    expectSame(try TinaFile(path: path).archive(), archive)
    #expect(try TinaFile.verify(path: path).isValid)
    #expect(seeded.contentDigest == alone.contentDigest)
    // Nearly all of A is gone: 2048 elements of 2 or 4 bytes.
    #expect(alone.byteCount - seeded.byteCount > 1000 * type.byteSize)
  }

  @Test("a checkpoint as differences from its parent, and that one from its own")
  func parents() throws {
    var files: [String] = []
    var archives: [AdapterArchive] = []
    for step in 0..<3 {
      var archive = trainedArchive(pairs: 3, rank: 8, input: 128, output: 96)
      var random = SeededGenerator(UInt64(50 + step))
      for i in archive.entries.indices {
        guard case .lowRank(var pair) = archive.entries[i].content else { continue }
        let floats = pair.b.floats().map { $0 + Float(step) * 1e-6 * random.normal() }
        pair.b = Tensor(name: "b", shape: pair.b.shape, floats: floats)
        archive.entries[i].content = .lowRank(pair)
      }
      var options = TinaOptions()
      if let last = files.last { options.parent = try TinaFile(path: last, parents: files) }
      let path = directory.path + "/\(step).tina"
      try TinaWriter.write(archive, to: path, options: options)
      files.append(path)
      archives.append(archive)
    }
    #expect(contents(files[1]).count < contents(files[0]).count * 7 / 10)
    for (file, archive) in zip(files, archives) {
      expectSame(try TinaFile(path: file, parents: files).archive(), archive)
      #expect(try TinaFile.verify(path: file, parents: files).isValid)
    }
    #expect(
      try TinaFile(path: files[2], parents: files).parentDigest
        == TinaFile(path: files[1], parents: files).contentDigest)
    // Beside their children, under the names that these give, parents need no naming.
    for file in files { #expect(brokenRule(file) == nil) }
    let elsewhere = TemporaryFolder()
    let alone = files.map { elsewhere.write("alone-" + $0.suffix(6), contents($0)) }
    #expect(brokenRule(alone[2]) == .parent)
    #expect(brokenRule(alone[2], parents: [alone[1]]) == .parent)
    #expect(brokenRule(alone[1], parents: [alone[2]]) == .parent)
    #expect(brokenRule(alone[2], parents: alone) == nil)
  }

  @Test("unknown ancillary sections and metadata are kept, but not what depends on changed tensors")
  func ancillary() throws {
    var options = TinaOptions()
    options.sections = [TinaSection(type: "noTe", bytes: [1, 2, 3]), TinaSection(type: "abCD", bytes: [])]
    options.metadata = JSONObject([("later", .array([.null]))])
    try TinaWriter.write(trainedArchive(), to: path, options: options)
    let file = try TinaFile(path: path)
    #expect(file.sections.map(\.type) == ["abCD", "noTe"])
    var again = TinaOptions()
    again.keep(from: file, tensorsChange: false)
    let bytes = contents(path)
    try TinaWriter.write(try file.archive(), to: path, options: again)
    #expect(contents(path) == bytes)
    again.keep(from: file, tensorsChange: true)
    #expect(again.sections == [TinaSection(type: "noTe", bytes: [1, 2, 3])])
    #expect(again.metadata?["later"] != nil)
  }

  @Test("an archive that breaks a rule is not written, and the old file stays")
  func refused() throws {
    _ = directory.write("a.tina", "old")
    func expectRule(_ rule: TinaRule, _ archive: AdapterArchive, _ options: TinaOptions = TinaOptions()) {
      do throws(AdapterError) {
        try TinaWriter.write(archive, to: path, options: options)
        Issue.record("it was written")
      } catch {
        #expect(error.violations[0].kind == .tina(rule), "\(error)")
      }
      #expect(contents(path) == Array("old".utf8))
    }
    var random = SeededGenerator(2)
    let pair = trainedPair(rank: 2, input: 4, output: 4, &random)
    let twice = [pairEntry("m", pair), pairEntry("m", pair)]
    expectRule(.order, AdapterArchive(entries: twice))
    expectRule(.name, AdapterArchive(entries: [pairEntry(String(repeating: "m", count: 1025), pair)]))
    expectRule(.name, AdapterArchive(entries: [pairEntry("m\n", pair)]))
    expectRule(.name, AdapterArchive(entries: [pairEntry("", pair)]))
    var infinite = pair
    infinite.scale = .infinity
    expectRule(.scale, AdapterArchive(entries: [pairEntry("m", infinite)]))
    infinite = pair
    infinite.a = Tensor(name: "a", shape: [2, 4], floats: [.nan, 0, 0, 0, 0, 0, 0, 0])
    expectRule(.scale, AdapterArchive(entries: [pairEntry("m", infinite)]), TinaOptions(.standard))
    var mismatched = pair
    mismatched.b = Tensor(name: "b", shape: [4, 1], floats: [0, 0, 0, 0])
    expectRule(.shape, AdapterArchive(entries: [pairEntry("m", mismatched)]))
    expectRule(.error, AdapterArchive(entries: []), TinaOptions(.maxError(.nan)))
    expectRule(.limit, trainedArchive(), TinaOptions(.maxBytes(700)))
  }
}
