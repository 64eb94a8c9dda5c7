import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

/// An archive of pseudo-random pairs, with which the tests of exchange begin.
func testArchive(
  _ modules: [(name: String, rank: Int, scale: Float)], input: Int = 8, output: Int = 12,
  type: ElementType = .f32
) -> AdapterArchive {
  let entries = modules.enumerated().map { i, module in
    var pair = LowRankAlgebraTests.pair(
      rank: module.rank, input: input, output: output, scale: module.scale, seed: UInt64(i + 3))
    pair.a = pair.a.converted(to: type)
    pair.b = pair.b.converted(to: type)
    let path = module.name == "lm_head" ? module.name : "model." + module.name
    return AdapterEntry(module: module.name, path: path, content: .lowRank(pair))
  }
  return AdapterArchive(entries: entries)
}

/// Expects an export to be refused with these fragments, and nothing to be written.
func expectExportRefusal(
  _ archive: AdapterArchive, _ format: AdapterFileFormat, base: BaseArchitecture? = nil,
  _ fragments: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let out = TemporaryFolder()
  do throws(AdapterError) {
    try archive.export(format, to: out.path + "/out", base: base)
    Issue.record("it was written", sourceLocation: sourceLocation)
  } catch {
    for fragment in fragments {
      #expect(error.description.contains(fragment), "\(error)", sourceLocation: sourceLocation)
    }
  }
  let left = (try? FileManager.default.contentsOfDirectory(atPath: out.path)) ?? []
  #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
}
