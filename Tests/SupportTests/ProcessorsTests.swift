import Foundation
import Testing

@testable import Support

/// How many threads compute, on machines that are not at hand: folders as Linux shows them.
@Suite struct ProcessorsTests {
  private typealias Files = ControlGroupTests.Groups

  private func recommended(
    _ files: [String: String], allowed: String, timeLimit: Double? = nil
  ) throws -> (threads: Int, isHybrid: Bool) {
    let files = try Files(files.merging(["status": "Name:\ttina\nCpus_allowed_list:\t\(allowed)\n"]) { $1 })
    let processors = Processors(
      system: files.path, status: files.path + "/status", timeLimit: timeLimit, fallback: 7)
    return (processors.recommendedThreads, processors.isHybrid)
  }

  /// Eight fast cores of two threads each, and eight slow ones.
  private static let intel: [String: String] = {
    var files = ["devices/cpu_core/cpus": "0-15\n", "devices/cpu_atom/cpus": "16-23\n"]
    for processor in 0..<24 {
      let first = processor / 2 * 2
      files["devices/system/cpu/cpu\(processor)/topology/core_cpus_list"] =
        processor < 16 ? "\(first)-\(first + 1)\n" : "\(processor)\n"
    }
    return files
  }()

  @Test func fastCoresOfAnIntelHybridCountOnce() throws {
    #expect(try recommended(Self.intel, allowed: "0-23") == (8, true))
    // Where the process may run on fewer, or on slow ones only.
    #expect(try recommended(Self.intel, allowed: "0-5,16-23") == (3, true))
    #expect(try recommended(Self.intel, allowed: "16-19") == (4, false))
    #expect(try recommended(Self.intel, allowed: "0-3") == (4, false))
  }

  /// A phone's processor has one core above the other fast ones, which count too.
  @Test func capacitiesTellFastCoresOnArm() throws {
    var files: [String: String] = [:]
    for (processor, capacity) in [325, 325, 325, 325, 828, 828, 828, 1024].enumerated() {
      files["devices/system/cpu/cpu\(processor)/cpu_capacity"] = "\(capacity)\n"
    }
    #expect(try recommended(files, allowed: "0-7") == (4, true))
    #expect(try recommended(files, allowed: "0-3,7") == (1, true))
    #expect(try recommended(files, allowed: "0-2") == (3, false))
    // A damaged file tells nothing.
    files["devices/system/cpu/cpu7/cpu_capacity"] = "much\n"
    #expect(try recommended(files, allowed: "0-7") == (8, false))
  }

  /// Processors of one kind all count, threads of one core too.
  @Test func oneKindOfProcessorCountsWhole() throws {
    var files: [String: String] = [:]
    for processor in 0..<96 {
      files["devices/system/cpu/cpu\(processor)/topology/core_cpus_list"] =
        "\(processor % 48),\(processor % 48 + 48)\n"
      files["devices/system/cpu/cpu\(processor)/cpu_capacity"] = "1024\n"
    }
    #expect(try recommended(files, allowed: "0-95") == (96, false))
    #expect(try recommended(files, allowed: "4-7") == (4, false))
  }

  @Test func controlGroupsLimitThreads() throws {
    #expect(try recommended(Self.intel, allowed: "0-23", timeLimit: 2.5) == (3, true))
    #expect(try recommended([:], allowed: "0-95", timeLimit: 4) == (4, false))
    #expect(try recommended([:], allowed: "0-1", timeLimit: 0.001) == (1, false))
    #expect(try recommended([:], allowed: "0-1", timeLimit: .infinity) == (2, false))
  }

  @Test(arguments: ["", "x", "3-1", "0-99999999999999999999", "-1", "1-2-3", "0-70000", "0-65535,0-65535"])
  func damagedListsTellNothing(list: String) throws {
    #expect(Processors.list(list) == [])
    #expect(try recommended([:], allowed: list) == (7, false))
  }

  @Test func listsAreRead() {
    #expect(Processors.list("0-3,8\n") == [0, 1, 2, 3, 8])
    #expect(Processors.list("5") == [5])
    #expect(Processors().recommendedThreads >= 1)
    #expect(Processors().recommendedThreads <= ProcessInfo.processInfo.processorCount)
  }
}
