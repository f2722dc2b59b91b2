import static org.junit.Assert.assertEquals
import static org.junit.Assert.assertFalse
import static org.junit.Assert.assertTrue
import static org.junit.Assert.fail

import org.junit.Test

/** The story of a pipeline author: one step, and the build tells what Hotfire found. */
class HotfireStepTest extends SharedLibraryTest {

    private static final String PASSED = '''{"verdict": "passed", "reasons": [], "url": "http://127.0.0.1:8321/r/1",
        "cells": [{"task": "kernels", "variant": {"platform": "linux-x86_64", "execution": "native"},
                   "verdict": "passed", "reason": null}]}'''
    private static final String FAILED = '''{"verdict": "failed", "reasons": ["kernels: 3 tests failed"], "url": "",
        "cells": [{"task": "kernels", "variant": {"platform": "linux-x86_64"}, "verdict": "failed",
                   "reason": "3 tests failed"},
                  {"task": "accuracy", "variant": {"platform": "linux-x86_64"}, "verdict": "passed"}]}'''

    @Test
    void 'a run that passed leaves the build green'() {
        hotfireEnds(0, PASSED)
        runPreMerge()
        assertEquals('SUCCESS', result)
    }

    @Test
    void 'a red run makes the build unstable and names the reason'() {
        hotfireEnds(1, FAILED)
        runPreMerge()
        assertEquals('UNSTABLE', result)
        assertTrue(said.any { it.contains('kernels: 3 tests failed') })
    }

    @Test
    void 'lost infrastructure fails the build and is called so'() {
        hotfireEnds(3, '')
        String message = messageOfFailure { runPreMerge() }
        assertTrue(message, message.contains('infrastructure'))
        assertEquals('FAILURE', result)
    }

    @Test
    void 'a time limit and an interruption abort the build'() {
        for (int status in [124, 130]) {
            hotfireEnds(status, '')
            messageOfFailure { runPreMerge() }
            assertEquals('ABORTED', result)
        }
    }

    @Test
    void 'an exit code that nobody promised fails the build'() {
        hotfireEnds(77, '')
        assertTrue(messageOfFailure { runPreMerge() }.contains('ended with 77'))
        assertEquals('FAILURE', result)
    }

    @Test
    void 'a command that broke with exit 1 is not taken for red tests'() {
        hotfireEnds(1, 'Traceback (most recent call last):')
        assertTrue(messageOfFailure { runPreMerge() }.contains('no report'))
        assertEquals('FAILURE', result)
    }

    @Test
    void 'exactly one command starts the run and every cell gets a branch'() {
        hotfireEnds(1, FAILED)
        runPreMerge()
        assertEquals(1, commands.findAll { it.contains("' run ") }.size())
        assertEquals(['kernels platform=linux-x86_64', 'accuracy platform=linux-x86_64'], branches)
        assertEquals(['make setup'], commands.findAll { !it.contains("' run ") })
    }

    @Test
    void 'a misspelt argument is refused before anything runs'() {
        String message = messageOfFailure { runStep([pipelin: 'pre-merge']) }
        assertTrue(message, message.contains("unknown argument 'pipelin'"))
        assertTrue(commands.isEmpty())
    }

    @Test
    void 'a missing pipeline and a shell trick are refused'() {
        assertTrue(messageOfFailure { runStep([:]) }.contains('pipeline is missing'))
        assertTrue(messageOfFailure { runStep([pipeline: "x'; rm -rf y"]) }.contains('is no name'))
        assertTrue(messageOfFailure { runStep([pipeline: 'x', executable: "a'b"]) }.contains('quote'))
        assertTrue(commands.isEmpty())
    }

    @Test
    void 'the exit code and the report come from a real shell'() {
        stub('''printf '{"verdict": "failed", "reasons": ["from a shell: %s"], "cells": []}' "$*"; exit 1''')
        useRealShell()
        runStep([pipeline: 'pre-merge', executable: stubPath])
        assertEquals('UNSTABLE', result)
        assertTrue(said.any { it.contains('from a shell: run pre-merge --wait -o json') })
    }

    @Test
    void 'a command that is not there fails the build, not silently'() {
        useRealShell()
        assertTrue(messageOfFailure { runStep([pipeline: 'pre-merge', executable: './absent']) }.contains('127'))
        assertFalse(result == 'SUCCESS')
    }

    @Test
    void 'the real command refuses an unknown pipeline and the build says so'() {
        File real = new File(System.getProperty('user.dir'), '../.venv/bin/hotfire').canonicalFile
        org.junit.Assume.assumeTrue('no .venv/bin/hotfire: run make setup', real.exists())
        useRealShell()
        String message = messageOfFailure { runStep([pipeline: 'no-such-pipeline', executable: real.path]) }
        assertTrue(message, message.contains('wrong usage or wrong input'))
    }

    private static String messageOfFailure(Closure build) {
        try {
            build()
        } catch (BuildFailed failed) {
            return failed.message
        }
        fail('the build did not fail')
        return ''
    }

}
