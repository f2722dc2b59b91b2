import static com.lesfurets.jenkins.unit.global.lib.LibraryConfiguration.library

import com.lesfurets.jenkins.unit.cps.BasePipelineTestCPS
import com.lesfurets.jenkins.unit.global.lib.SourceRetriever
import org.junit.After
import org.junit.Before

/** A controller of a few steps: it loads the library from this folder and runs code as continuations. */
abstract class SharedLibraryTest extends BasePipelineTestCPS {

    protected List<String> commands = []
    protected List<String> said = []
    protected List<String> branches = []
    protected String stubPath = ''
    // Not private: closures of a subclass's instance could not see them.
    protected Map<String, String> files = [:]
    protected File workspace
    protected int status = 0
    protected String report = ''

    @Override
    @Before
    void setUp() throws Exception {
        scriptRoots += ['vars', '.']
        scriptExtension = ''
        super.setUp()
        workspace = java.nio.file.Files.createTempDirectory('hotfire-step').toFile()
        helper.registerSharedLibrary(library('hotfire')
            .retriever({ String name, String version, String target -> [new File('.').toURI().toURL()] } as SourceRetriever)
            .targetPath('.').defaultVersion('main').allowOverride(true).implicit(true).build())
        registerSteps()
    }

    @After
    void removeWorkspace() {
        workspace.deleteDir()
    }

    protected String getResult() {
        return binding.getVariable('currentBuild').result ?: 'SUCCESS'
    }

    protected void hotfireEnds(int exitCode, String text) {
        status = exitCode
        report = text
        binding.getVariable('currentBuild').result = null
    }

    protected void runPreMerge() {
        failTheBuildOnError { runScript('Jenkinsfile.pre-merge') }
    }

    protected void runStep(Map arguments) {
        binding.setVariable('stepArguments', arguments)
        failTheBuildOnError { runScript('test/jenkins/OneStep.jenkinsfile') }
    }

    protected void stub(String body) {
        File script = new File(workspace, 'stub')
        script.text = "#!/bin/sh\n${body}\n"
        script.setExecutable(true)
        stubPath = script.path
    }

    /** From here on `sh` runs in a real shell, in a workspace of its own. */
    protected void useRealShell() {
        helper.registerAllowedMethod('sh', [Map]) { Map step ->
            commands.add(step.script.toString())
            Process process = new ProcessBuilder('/bin/sh', '-c', step.script.toString())
                .directory(workspace).redirectErrorStream(true).start()
            process.inputStream.text
            return process.waitFor()
        }
        helper.registerAllowedMethod('fileExists', [String]) { String name -> new File(workspace, name).exists() }
        helper.registerAllowedMethod('readFile', [String]) { String name -> new File(workspace, name).text }
    }

    private void failTheBuildOnError(Closure build) {
        try {
            build()
        } catch (BuildFailed failed) {
            // A result that was set before is kept when it is worse, as a controller does.
            if (binding.getVariable('currentBuild').result != 'ABORTED') {
                binding.getVariable('currentBuild').result = 'FAILURE'
            }
            throw failed
        }
    }

    private void registerSteps() {
        binding.setVariable('scm', [:])
        helper.registerAllowedMethod('checkout', [Object]) { }
        helper.registerAllowedMethod('node', [String, Closure]) { String label, Closure body -> body() }
        helper.registerAllowedMethod('stage', [String, Closure]) { String name, Closure body -> body() }
        helper.registerAllowedMethod('echo', [String]) { String text -> said.add(text) }
        helper.registerAllowedMethod('error', [String]) { String text -> throw new BuildFailed(text) }
        helper.registerAllowedMethod('unstable', [String]) { String text ->
            said.add(text)
            binding.getVariable('currentBuild').result = 'UNSTABLE'
        }
        helper.registerAllowedMethod('sh', [String]) { String script -> commands.add(script) }
        helper.registerAllowedMethod('sh', [Map]) { Map step ->
            commands.add(step.script.toString())
            files['hotfire-run.json'] = report
            return status
        }
        helper.registerAllowedMethod('fileExists', [String]) { String name -> files.containsKey(name) }
        helper.registerAllowedMethod('readFile', [String]) { String name -> files[name] }
        helper.registerAllowedMethod('parallel', [Map]) { Map bodies ->
            branches.addAll(bodies.keySet()*.toString())
            for (Object body in bodies.values()) {
                ((Closure) body).call()
            }
        }
    }

}
