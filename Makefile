.PHONY: setup
setup:
	@infra/setup/setup.sh
