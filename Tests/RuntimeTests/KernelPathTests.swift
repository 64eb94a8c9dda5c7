import CKernels
import Foundation
import TestSupport
import Testing

@testable import TinaRuntime

/// What is remembered of measured paths: never more than a hint.
@Suite struct KernelPathTests {
  private let scratch = TemporaryFolder()
  private let paths = ["bf16": ["avx512", "avx2", "avx2"], "attention f16": ["avx2", "avx2", "avx2"]]

  private func memory(_ processor: String = "one", program: String = "first") -> KernelPathMemory {
    KernelPathMemory(folder: scratch.path("cache"), processor: processor, program: program)
  }

  @Test func pathsAreRememberedForTheirProcessor() {
    #expect(memory().read().isEmpty)
    memory().write(paths)
    #expect(memory().read() == paths)
    #expect(memory("another").read().isEmpty)
    memory("another").write([:])
    #expect(memory().read() == paths && memory("another").read().isEmpty)
    #expect(!KernelPathMemory.processor.isEmpty)
  }

  @Test func aProgramThatWasBuiltAnewMeasuresAnew() {
    memory().write(paths)
    #expect(memory(program: "second").read().isEmpty)
    memory(program: "second").write(["bf16": ["avx2", "avx2", "avx2"]])
    #expect(memory().read().isEmpty && memory(program: "second").read() != paths)
    #expect(KernelPathMemory.program.contains("bytes"))
  }

  @Test func theFolderIsTheUsers() {
    #expect(KernelPathMemory(environment: ["XDG_CACHE_HOME": "/x"])?.folder == "/x/tina")
    #expect(KernelPathMemory(environment: ["HOME": "/h"])?.folder == "/h/.cache/tina")
    #expect(KernelPathMemory(environment: ["HOME": "/h", "XDG_CACHE_HOME": "x"])?.folder == "/h/.cache/tina")
    #expect(KernelPathMemory(environment: [:]) == nil)
    #expect(KernelPathMemory(environment: ["HOME": "h"]) == nil)
  }

  @Test(arguments: [
    "", "{", "[]", "null", #"{"paths": 3}"#, #"{"paths": {"bf16": "avx2"}}"#,
    #"{"paths": {"bf16": ["avx2"]}}"#,
    #"{"paths": {"bf16": ["avx2", "avx2", 3]}}"#, #"{"paths": {"bf16": [[], [], []]}}"#,
    "{\"paths\": {\"bf16\": [\"\(String(repeating: "x", count: 17))\", \"avx2\", \"avx2\"]}}",
    String(repeating: "[", count: 5000), String(repeating: " ", count: 1 << 17), "\u{0}\u{1}",
  ])
  func damagedFilesTellNothing(text: String) throws {
    memory().write(paths)
    try Data(text.utf8).write(to: URL(fileURLWithPath: memory().path))
    #expect(memory().read().isEmpty)
    memory().write(paths)
    #expect(memory().read() == paths)
  }

  @Test func oldFilesAndLinksTellNothing() throws {
    memory().write(paths)
    let path = memory().path
    for date in [Date(timeIntervalSinceNow: -8 * 24 * 3600), Date(timeIntervalSinceNow: 3600)] {
      try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
      #expect(memory().read().isEmpty, "\(date)")
    }
    let elsewhere = scratch.path("elsewhere.json")
    memory().write(paths)
    try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: elsewhere)
    #expect(memory().read().isEmpty)
    // Neither a folder nor a pipe in its place stops a start.
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    #expect(memory().read().isEmpty)
    memory().write(paths)
    try FileManager.default.removeItem(atPath: path)
    #expect(unsafe mkfifo(path, 0o600) == 0)
    #expect(memory().read().isEmpty)
  }

  /// Others could put files into a folder that they may write to, or that is a link to theirs.
  @Test func foldersOfOthersAreNotUsed() throws {
    let folder = scratch.path("cache")
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    #expect(unsafe chmod(folder, 0o777) == 0)
    memory().write(paths)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    try FileManager.default.removeItem(atPath: folder)
    let other = scratch.makeFolder("other")
    try FileManager.default.createSymbolicLink(atPath: folder, withDestinationPath: other)
    memory().write(paths)
    #expect(try FileManager.default.contentsOfDirectory(atPath: other).isEmpty)
    // Nor is a folder that cannot be made an error.
    KernelPathMemory(folder: "/proc/none/tina", processor: "one").write(paths)
  }

  /// Names that no path has, and paths that this processor lacks, choose nothing; the others are taken.
  @Test func onlyPathsOfThisProcessorAreTaken() async {
    await #expect(processExitsWith: .success) {
      _ = unsafe unsetenv("TINA_ISA")
      let scratch = TemporaryFolder()
      let usual = unsafe String(cString: tk_isa())
      let memory = KernelPathMemory(folder: scratch.path("cache"), processor: "one")
      memory.write([
        "bf16": ["sse9", "../../etc/passwd", usual], "f32": ["neon", "avx2", "portable"],
        "no kind": ["a", "b", "c"],
      ])
      let paths = KernelPaths()
      paths.remember(in: memory)
      paths.prepare([Int(TK_BF16.rawValue), Int(TK_F32.rawValue)])
      let known = ["avx512", "avxvnni", "avx2", "neon", "portable"]
      for choice in paths.choices {
        #expect(["bf16", "f32"].contains(choice.kind))
        #expect(choice.paths.count == 3 && choice.paths.allSatisfy(known.contains), "\(choice)")
      }
      // What was measured replaces what was damaged.
      let kept = memory.read()
      #expect((kept["bf16"] ?? []).allSatisfy(known.contains))
    }
  }

  /// A model opens with its kinds chosen, once for the process.
  @Test func openingAModelChoosesItsKinds() throws {
    _ = Engine(model: try Model(path: fixture("tiny-bf16"), threads: 1), cacheType: .f16)
    let kinds = KernelPaths.shared.choices.map(\.kind)
    #expect(tk_paths_forced() || (kinds.contains("bf16") && kinds.contains("attention f16")), "\(kinds)")
  }
}
