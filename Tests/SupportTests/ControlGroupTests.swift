import Foundation
import Testing

@testable import Support

@Suite struct ControlGroupTests {
  /// A folder as the system shows control groups, removed with the value.
  final class Groups {
    let path = NSTemporaryDirectory() + "groups-" + UUID().uuidString

    init(_ files: [String: String]) throws {
      for (name, text) in files {
        let file = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
      }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var read: ControlGroups { ControlGroups(membership: path + "/self", mount: path) }
  }

  @Test func theTightestGroupCounts() throws {
    let groups = try Groups([
      "self": "0::/a/b\n", "a/memory.max": "4000\n", "a/memory.current": "3500\n",
      "a/memory.stat": "anon 3000\ninactive_file 200\nfile 9\n", "a/b/memory.max": "max\n",
      "a/b/memory.current": "100\n",
    ]).read
    #expect(groups.limit == 4000 && groups.available == 700)
  }

  /// Beyond memory.high the system slows a process down until it stands still.
  @Test func theHighMarkIsALimit() throws {
    let groups = try Groups(["self": "0::/\n", "memory.max": "4000", "memory.high": "3000"]).read
    #expect(groups.limit == 3000 && groups.available == 3000)
  }

  @Test func aContainerSeesItsOwnGroupAtTheMount() throws {
    let second = try Groups(["self": "0::/\n", "memory.max": "1000", "memory.current": "1200"]).read
    #expect(second.limit == 1000 && second.available == 0)
    let first = try Groups([
      "self": "12:cpu:/docker/1\n9:memory:/docker/1\n0::/x\n", "memory/memory.limit_in_bytes": "5000",
      "memory/memory.usage_in_bytes": "4000", "memory/memory.stat": "total_inactive_file 500\n",
    ]).read
    #expect(first.limit == 5000 && first.available == 1500)
  }

  @Test func theTimeOfProcessorsIsALimit() throws {
    let second = try Groups([
      "self": "0::/a/b\n", "a/cpu.max": "250000 100000\n", "a/b/cpu.max": "max 100000\n",
      "cpu.max": "800000 100000",
    ]).read
    #expect(second.processors == 2.5 && second.limit == nil)
    let first = try Groups([
      "self": "4:cpu,cpuacct:/docker/1\n0::/x\n", "cpu/cpu.cfs_quota_us": "150000\n",
      "cpu/cpu.cfs_period_us": "100000\n",
    ]).read
    #expect(first.processors == 1.5)
    for text in ["max 100000", "-1 100000", "0 100000", "100000 0", "100000", "nan 1", ""] {
      #expect(try Groups(["self": "0::/\n", "cpu.max": text]).read.processors == nil, "\(text)")
    }
    let none = try Groups([
      "self": "4:cpu:/\n", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000",
    ])
    #expect(none.read.processors == nil)
  }

  @Test func noLimitIsNone() throws {
    let free = try Groups([
      "self": "9:memory:/\n0::/\n", "memory/memory.limit_in_bytes": "9223372036854771712",
      "memory.max": "max",
    ]).read
    #expect(free.limit == nil && free.available == nil)
    let none = ControlGroups(membership: "/nonexistent", mount: "/nonexistent")
    #expect(none.limit == nil)
    #expect(MachineMemory.available > 0 && MachineMemory.total >= MachineMemory.available / 2)
  }
}
