ruleset {
    description 'What breaks on a real controller, then what makes Groovy hard to read.'

    // Code that runs in steps is transformed into continuations; these rules know what that forbids.
    CpsCallFromNonCpsMethod { applyToFileNames = '*.groovy,Jenkinsfile*' }
    ClassNotSerializable { applyToFileNames = '*.groovy,Jenkinsfile*' }
    ClosureInGString { applyToFileNames = '*.groovy,Jenkinsfile*' }
    ExpressionInCpsMethodNotSerializable { applyToFileNames = '*.groovy,Jenkinsfile*' }
    ForbiddenCallInCpsMethod { applyToFileNames = '*.groovy,Jenkinsfile*' }
    ObjectOverrideOnlyNonCpsMethods { applyToFileNames = '*.groovy,Jenkinsfile*' }
    ParameterOrReturnTypeNotSerializable { applyToFileNames = '*.groovy,Jenkinsfile*' }

    ruleset('rulesets/basic.xml')
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/unused.xml') {
        // `@Library('x') _` annotates this name because an annotation needs something to stand on.
        UnusedVariable { ignoreVariableNames = '_' }
    }
    LineLength { length = 120 }
    MethodSize { maxLines = 60 }
    ClassSize { maxLines = 500 }
}
