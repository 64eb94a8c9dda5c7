import Glibc

/// Takes an input, as libFuzzer's `LLVMFuzzerTestOneInput` does; each has a file of its own.
typealias Target = @Sendable (_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt

private let targets: [String: Target] = [
  "tina": testTina, "safetensors": testSafetensors, "gguf": testGGUF, "ggufmodel": testGGUFModel,
  "architecture": testArchitecture, "adapter": testAdapter, "config": testConfig, "identity": testIdentity,
  "hub": testHub, "prompt": testPrompt, "pattern": testPattern, "recipe": testRecipe, "table": testTable,
  "judge": testJudge, "http": testHTTP,
]

/// One program holds all targets, because most of the time goes into compiling and linking; TINA_FUZZ names the one
/// that runs.
private let target: Target = {
  let name = getenv("TINA_FUZZ").map { String(cString: $0) } ?? ""
  guard let target = targets[name] else { preconditionFailure("TINA_FUZZ names no target: \(name)") }
  return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt { target(start, count) }

/// A file in memory that the parsers open by its path, written anew for every input.
struct MemoryFile {
  let path: String
  private let descriptor: Int32

  init(_ name: String) {
    let name = "/dev/shm/tina-fuzz-\(name)-\(getpid())"
    descriptor = open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    precondition(descriptor >= 0, "no file could be made under /dev/shm")
    unlink(name)
    path = "/proc/self/fd/\(descriptor)"
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    precondition(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
  }
}

/// What this thread has used of a processor: other work on the machine does not count.
func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
