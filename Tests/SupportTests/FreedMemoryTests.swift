import Foundation
import Support
import Testing

/// Large work plans one return of memory, and the next work another.
@Suite struct FreedMemoryTests {
  @Test func worksInABurstShareAReturn() async throws {
    let returns = Locked(0)
    let memory = FreedMemory { returns.withLock { $0 += 1 } }
    for burst in 1...2 {
      for _ in 0..<100 { memory.returnSoon() }
      let deadline = ContinuousClock.now + .seconds(60)
      while returns.withLock({ $0 }) < burst, ContinuousClock.now < deadline {
        try await Task.sleep(for: .milliseconds(20))
      }
      #expect(returns.withLock { $0 } == burst)
    }
  }

  #if canImport(Glibc)
    @Test func freedPagesGoBack() throws {
      // Small pieces, so that they lie in an arena; every last one of a thousand keeps it from shrinking by itself.
      var kept: [[UInt8]] = []
      var freed: [[UInt8]] = []
      for i in 0..<200_000 {
        if i % 1000 == 999 { kept.append([UInt8](repeating: 1, count: 1000)) }
        freed.append([UInt8](repeating: 1, count: 1000))
      }
      freed = []
      let before = try #require(ProcessMemory.privateBytes)
      FreedMemory.trim()
      let after = try #require(ProcessMemory.privateBytes)
      #expect(after < before - 50 << 20, "\(before >> 20) MiB before, \(after >> 20) MiB after")
      #expect(kept.count == 200)
    }
  #endif
}
