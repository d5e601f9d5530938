"""What every pod has, whatever kind of object makes it.

container_command  The command of a container: an argument list, of which Kubernetes expands nothing
environment        The variables of a container: the contract of all targets
inline_code        Inline code travels in a ConfigMap, byte for byte, and never through the text of a shell
secret_object      Secret values go into a Secret, and nowhere else: variables refer to them
template           The pod template all kinds share
volumes            The volumes of ``runtime.volumes``: claims, ConfigMaps, Secrets and empty folders
"""
